// Package interop drives the built binary with the clients that people use:
// curl, lftp, wget, rclone, ncftp, Python's ftplib, openssl s_client,
// jlaffaye/ftp and Apache commons-net. It holds nothing but tests, behind the
// build tag interop; `make interop` installs the clients and runs them.
//
// The variable FASTFTPS_BIN names the binary. One server, a child process with
// a plain, an explicit and an implicit listener, serves the whole run. At its
// end its log must hold no error, its descriptors must be those of the start,
// and SIGTERM must end it with exit code 0.
//
// What a client cannot do stands in one table (limits_test.go) with the
// reason, and is printed as a matrix when the run ends. A client that is not
// installed is a failure, and so is a row of the table that no test needed.
package interop
