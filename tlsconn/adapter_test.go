package tlsconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// The whole handshake and a command, pushed byte by byte.
func TestBytewise(t *testing.T) { bothEngines(t, testBytewise) }

func testBytewise(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			srv, cli := tcpPair(t)
			c := newControl(t, newIdentity(t), NewBinding(), srv)
			c.cut = func() int { return 1 }
			tc := tls.Client(cli, clientConfig(v.v))
			done := make(chan error, 1)
			go func() { _, err := tc.Write([]byte("NOOP\r\n")); done <- err }()
			if err := c.handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got, err := c.readFull(6); string(got) != "NOOP\r\n" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if info := c.Info(); info.Version != v.v || info.Resumed {
				t.Errorf("got %+v", info)
			}
		})
	}
}

// 200 messages of many sizes, cut into pieces of 1 to 40 bytes.
func TestCutMessages(t *testing.T) { bothEngines(t, testCutMessages) }

func testCutMessages(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			c, tc := secured(t, newIdentity(t), NewBinding(), clientConfig(v.v))
			rnd := rand.New(rand.NewPCG(1, uint64(v.v)))
			c.cut = func() int { return 1 + rnd.IntN(40) }
			var want strings.Builder
			done := make(chan error, 1)
			msgs := make([]string, 200)
			for i := range msgs {
				msgs[i] = fmt.Sprintf("%d %s\r\n", i, strings.Repeat("x", i*7%900))
				want.WriteString(msgs[i])
			}
			go func() {
				for _, m := range msgs {
					if _, err := io.WriteString(tc, m); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
			got, err := c.readFull(want.Len())
			if err != nil || string(got) != want.String() {
				t.Errorf("got %d bytes, %v, want %d bytes equal", len(got), err, want.Len())
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}
