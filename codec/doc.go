// Package codec turns the bytes of an FTP control connection into commands and
// replies into bytes. It does no I/O, reads no clock and keeps no state but a
// [Decoder]'s unfinished line, so that everything above it can be driven from
// memory.
//
// Control connection, client to server (RFC 959 section 5.3, with the Telnet
// rules of RFC 1123 section 4.1.2.12):
//
//	line    = verb [ SP argument ] [ CR ] LF
//	verb    = letter 0*7( letter / digit )       case does not matter
//	argument= any bytes but NUL and LF; CR as CR NUL; 0xFF as IAC IAC
//
// and server to client (RFC 959 section 4.2):
//
//	reply   = code SP text CRLF
//	        / code "-" text CRLF *( SP text CRLF ) code SP text CRLF
//
// Functions called Append… append to dst and return the extended slice, as the
// built-in append does; they keep neither dst nor their other arguments.
// Functions called Parse… keep nothing of their argument either.
package codec
