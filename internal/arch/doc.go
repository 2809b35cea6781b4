// Package arch holds no code: its tests check what the compiler cannot. Who may
// import whom, and that every rule in docs/conformance.md names a symbol and a
// test that exist.
package arch
