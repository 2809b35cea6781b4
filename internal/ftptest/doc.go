// Package ftptest plays transcripts: text files that hold a conversation with
// an FTP server and, by being played, test it. One file is played against a
// session in memory, whole and in pieces, and against a whole server over
// loopback; see [Server].
//
// A transcript is a txtar archive. Its head holds the settings, one "key:
// value" a line (see [Setup]), its files are the tree that the user finds, and
// its last file, called transcript, is the conversation:
//
//	mode: explicit
//	-- hello.txt --
//	hello
//	-- transcript --
//	S: 220 Ready
//	# PBSZ before AUTH is out of order. (RFC 2228 section 3)
//	C: PBSZ 0
//	S: 503 Send AUTH first
//	C: AUTH TLS
//	S: 234 Starting TLS
//	T: handshake
//
// Each line begins with who acts:
//
//	C: text      the client sends a line; CRLF is added
//	C+ text      as C:, but held back: it goes out in one write with the next C
//	C~ bytes     as C:, without CRLF
//	S: text      the server sends exactly this line
//	T: handshake [name]  the client starts TLS, with name as SNI
//	T: close_notify      the server ends TLS and keeps the connection
//	E: closed    the server closes the control connection
//	W: 5s        time passes; only a server whose clock can be set plays this
//	# why        with the section of the RFC
//
// Text is bytes, with \r, \n, \\ and \xNN for what is not printable. In the
// addresses of 227 and 229 the port stands as *. In C lines {port} and {eprt}
// stand for the address of the client's data listener, as PORT and EPRT want it.
//
// D: is the data connection, from the client's side. It is opened by the first
// line that needs it, unless open or tls did so before:
//
//	D: open      connect
//	D: tls       connect, and speak TLS
//	D: < "text"  receive to the end; several such lines in a row are one text
//	D: > "text"  send
//	D: close     end in order: close_notify under TLS, then FIN
//	D: cut       end without close_notify under TLS, with a reset in clear
//	D: none      never connect; the server's limit passes
//	D: fail why  the transfer ends with this cause; in memory only
package ftptest
