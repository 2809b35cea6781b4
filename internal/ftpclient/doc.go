// Package ftpclient is an FTP and FTPS client for tests and for measuring. It is
// complete where servers are to be examined and bare where users want comfort.
//
// Three layers, each built of the one before and each open to the caller:
//
//   - [Conn], a TCP connection that may speak TLS, and can end in all the rude
//     ways there are;
//   - [Client.Send], [Client.ReadReply], [Client.Passive], [Client.DialData] and
//     so on: single steps, in any order, sensible or not;
//   - [Client.Login], [Client.Retr], [Client.Stor], [Client.List]: what a
//     well-behaved client does with them.
//
// Every step has a deadline of [Client.Timeout]. Nothing here starts a goroutine,
// so nothing stays behind. A Client and its data connections belong to one
// goroutine at a time; another one that wants to end a step which waits closes
// what [Conn.TCP] returns.
//
// A reply that says no is a [*ReplyError] and leaves the session in order. After
// any other error of a command that moves no data the connection is of no
// further use.
package ftpclient
