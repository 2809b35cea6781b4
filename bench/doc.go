// Package bench is a load generator for FTP and FTPS servers of any make. It
// measures; package bench/report says what came out.
//
// A run is a sequence of segments (warm-up, measured time, slices of an A/B
// comparison). In each, workers serve a closed loop (every worker goes on as fast
// as it can) or an open one (arrivals at times that were drawn before and do not
// wait for the server). A worker owns one session and one recorder; its records
// go in batches to the collector, so no lock is taken for an operation.
package bench
