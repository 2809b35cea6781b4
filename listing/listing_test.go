package listing_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"fastftps/codec"
	"fastftps/listing"
	"fastftps/storage"
)

var update = flag.Bool("update", false, "write testdata anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const all = listing.MayList | listing.MayRead | listing.MayWrite | listing.MayModify | listing.MayDelete | listing.MayRename | listing.MayMkdir

func file(name string, size int64, mtime time.Time) storage.Info {
	return storage.Info{Name: name, Size: size, ModTime: mtime, Mode: 0o644, Nlink: 1, Dev: 0xfd01, Ino: 0x2a, UID: 33, GID: 34}
}

func TestAppendLIST(t *testing.T) {
	with := func(info storage.Info, change func(*storage.Info)) storage.Info {
		change(&info)
		return info
	}
	plain := file("name", 12345, time.Date(2026, 11, 22, 20, 34, 56, 0, time.UTC))
	at := func(mtime time.Time) storage.Info { return file("name", 12345, mtime) }
	mode := func(m fs.FileMode) storage.Info { return with(plain, func(i *storage.Info) { i.Mode = m }) }
	for _, row := range []struct {
		name string
		info storage.Info
		want string
	}{
		{"file", plain, "-rw-r--r--   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"directory", with(mode(fs.ModeDir|0o755), func(i *storage.Info) { i.Nlink, i.Size = 2, 4096 }), "drwxr-xr-x   2 ftp      ftp          4096 Nov 22 20:34 name"},
		{"old", at(time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)), "-rw-r--r--   1 ftp      ftp         12345 Jan  2  2020 name"},
		{"180 days ago", at(now.Add(-180 * 24 * time.Hour)), "-rw-r--r--   1 ftp      ftp         12345 May 28 12:00 name"},
		{"a second more", at(now.Add(-180*24*time.Hour - time.Second)), "-rw-r--r--   1 ftp      ftp         12345 May 28  2026 name"},
		{"a day ahead", at(now.Add(24 * time.Hour)), "-rw-r--r--   1 ftp      ftp         12345 Nov 25 12:00 name"},
		{"a second more ahead", at(now.Add(24*time.Hour + time.Second)), "-rw-r--r--   1 ftp      ftp         12345 Nov 25  2026 name"},
		{"another zone", at(time.Date(2026, 11, 1, 1, 30, 0, 0, time.FixedZone("", 2*3600))), "-rw-r--r--   1 ftp      ftp         12345 Oct 31 23:30 name"},
		{"zero time", at(time.Time{}), "-rw-r--r--   1 ftp      ftp         12345 Jan  1     1 name"},
		{"far future", at(time.Unix(1<<40, 0)), "-rw-r--r--   1 ftp      ftp         12345 Feb 20  9999 name"},
		{"largest", with(plain, func(i *storage.Info) { i.Size, i.Nlink = 1<<63-1, 12345 }), "-rw-r--r-- 12345 ftp      ftp      9223372036854775807 Nov 22 20:34 name"},
		{"no link count", with(plain, func(i *storage.Info) { i.Nlink = 0 }), "-rw-r--r--   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"fifo", mode(fs.ModeNamedPipe | 0o600), "prw-------   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"socket", mode(fs.ModeSocket | 0o777), "srwxrwxrwx   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"tty", mode(fs.ModeDevice | fs.ModeCharDevice | 0o620), "crw--w----   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"disk", mode(fs.ModeDevice | 0o660), "brw-rw----   1 ftp      ftp         12345 Nov 22 20:34 name"},
		{"link inside", with(plain, func(i *storage.Info) { i.Target = "a.txt" }), "lrwxrwxrwx   1 ftp      ftp             5 Nov 22 20:34 name -> a.txt"},
		{"link out", with(mode(fs.ModeSymlink|0o777), func(i *storage.Info) { i.Target, i.Size = "/etc/passwd", 11 }), "lrwxrwxrwx   1 ftp      ftp            11 Nov 22 20:34 name"},
		{"spaces", with(plain, func(i *storage.Info) { i.Name = "  a  b " }), "-rw-r--r--   1 ftp      ftp         12345 Nov 22 20:34   a  b "},
		{"forged", with(plain, func(i *storage.Info) { i.Name = "a\r\n230 in\x00\n" }), "-rw-r--r--   1 ftp      ftp         12345 Nov 22 20:34 a??230 in??"},
		{"forged target", with(plain, func(i *storage.Info) { i.Target = "b\nc" }), "lrwxrwxrwx   1 ftp      ftp             3 Nov 22 20:34 name -> b?c"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(listing.AppendLIST(nil, &row.info, now)); got != row.want+"\r\n" {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
		})
	}
}

func TestAppendMLSx(t *testing.T) {
	mtime := time.Date(2026, 11, 22, 20, 34, 56, 789e6, time.UTC)
	plain := file("name", 12345, mtime)
	dir := plain
	dir.Mode, dir.Size = fs.ModeDir|0o2755&fs.ModePerm|fs.ModeDir, 4096
	link := plain
	link.Mode = fs.ModeSymlink | 0o777
	noIno := plain
	noIno.Ino = 0
	for _, row := range []struct {
		name string
		info storage.Info
		on   codec.Facts
		may  listing.Rights
		want string
	}{
		{"file", plain, codec.AllFacts, all, "type=file;size=12345;modify=20261122203456;perm=adfrw;unique=fd01g2a;UNIX.mode=0644;UNIX.uid=33;UNIX.gid=34; name"},
		{"directory", dir, codec.AllFacts, all, "type=dir;modify=20261122203456;perm=cdeflmp;unique=fd01g2a;UNIX.mode=0755;UNIX.uid=33;UNIX.gid=34; name"},
		{"read only file", plain, codec.FactPerm, listing.MayList | listing.MayRead, "perm=r; name"},
		{"read only directory", dir, codec.FactPerm, listing.MayList | listing.MayRead, "perm=el; name"},
		{"upload only file", plain, codec.FactPerm, listing.MayWrite, "perm=; name"},
		{"upload only directory", dir, codec.FactPerm, listing.MayWrite | listing.MayMkdir, "perm=cm; name"},
		{"link to nowhere", link, codec.FactType | codec.FactSize | codec.FactPerm, all, "type=OS.unix=slink;perm=df; name"},
		{"no inode numbers", noIno, codec.FactUnique, all, " name"},
		{"no facts", plain, 0, all, " name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(listing.AppendMLSx(nil, &row.info, row.on, row.may)); got != row.want+"\r\n" {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
		})
	}
}

func TestWant(t *testing.T) {
	for on, want := range map[codec.Facts]storage.Want{
		0:                                  storage.WantFollow,
		codec.FactType:                     storage.WantFollow,
		codec.FactSize:                     storage.WantFollow | storage.WantStat,
		codec.FactType | codec.FactUnixUID: storage.WantFollow | storage.WantStat,
	} {
		if got := listing.Want(on); got != want {
			t.Errorf("facts %b: got %b, want %b", on, got, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	a := listing.Words{All: true, Dots: true}
	la := listing.Words{All: true, Dots: true, Long: true}
	for _, row := range []struct {
		arg  string
		want listing.Words
		path string
	}{
		{"", listing.Words{}, ""},
		{"-a", a, ""},
		{"-al", la, ""},
		{"-la dir", la, "dir"},
		{"-a -l dir with  spaces ", la, "dir with  spaces "},
		{"-A", listing.Words{All: true}, ""},
		{"-a  two", a, " two"},
		{"-RtSrF1x dir", listing.Words{}, "dir"},
		{"-d dir", listing.Words{Self: true}, "dir"},
		{"-- -a", listing.Words{}, "-a"},
		{"-a -- -l", a, "-l"},
		{"./-a", listing.Words{}, "./-a"},
		{"dir -a", listing.Words{}, "dir -a"},
		{"-", listing.Words{}, "-"},
		{"- x", listing.Words{}, "- x"},
		{"-\xff\xc3 x", listing.Words{}, "x"},
	} {
		w, path := listing.ParseOptions(row.arg)
		if w != row.want || path != row.path {
			t.Errorf("%q: got %+v %q, want %+v %q", row.arg, w, path, row.want, row.path)
		}
	}
}

// TestGolden compares whole listings with testdata/*.txtar, in which each file
// is named by its request and holds the lines with CRLF as "$".
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "listings.txtar")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden := txtar.Parse(data)
	f := goldenTree(t)
	for i := range golden.Files {
		request := golden.Files[i].Name
		got := answer(f, request)
		if *update {
			golden.Files[i].Data = []byte(got)
		} else if want := string(golden.Files[i].Data); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", request, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// answer is what "LIST -a dir" and the like answer, or the error.
func answer(f storage.FS, request string) string {
	verb, arg, _ := strings.Cut(request, " ")
	o := listing.Options{Now: now, Facts: codec.AllFacts, Rights: all, HideDot: true}
	switch verb {
	case "MLSD":
		o.Format = listing.Facts
	case "NLST":
		o.Format = listing.Names
		fallthrough
	case "LIST":
		o.Words, arg = listing.ParseOptions(arg)
	}
	cwd := storage.Root
	if verb == "MLSD" {
		cwd = "/dir"
	}
	s, err := listing.Open(f, cwd, arg, o)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	defer s.Close()
	out, err := drain(s)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return string(bytes.ReplaceAll(out, []byte("\r\n"), []byte("$\n")))
}

// TestNames: the bytes that end lines are replaced wherever they stand, and no
// others.
func TestNames(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			name := []byte("abcdefghijklmnopqrst\xff")
			name[at] = byte(c)
			want := bytes.Clone(name)
			if c == '\r' || c == '\n' || c == 0 {
				want[at] = '?'
			}
			if got := listing.AppendNLST(nil, "", string(name)); !bytes.Equal(got, append(want, "\r\n"...)) {
				t.Errorf("%q: got %q", name, got)
			}
		}
	}
}
