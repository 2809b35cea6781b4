// Package listing turns directory entries into the bytes of LIST, NLST, MLSD
// and MLST.
//
//	LIST   drwxr-xr-x   2 ftp      ftp          4096 Nov 22 20:34 name CRLF
//	NLST   name CRLF
//	MLSx   type=file;size=12;modify=20260102030405;perm=adfrw; name CRLF
//
// Names go out byte for byte (RFC 2640 section 3.1, RFC 3659 section 2.2) but for
// CR, LF and NUL, which become '?': a name can neither end its line nor begin
// another. Names sent on the control connection need codec.AppendSafe on top,
// for IAC.
//
// Stream lists a directory of any size in constant memory, with no allocation an
// entry of its own.
package listing

import (
	"encoding/binary"
	"io/fs"
	"strconv"
	"time"

	"fastftps/codec"
	"fastftps/storage"
)

// Rights is what the user may do below the directory that is listed; the perm
// fact shows it. The bits are those of auth.Perm.
type Rights uint16

// The rights of which perm speaks.
const (
	MayList   Rights = 1 << iota
	MayRead          // RETR
	MayWrite         // STOR of a new file
	MayModify        // STOR over a file, APPE
	MayDelete        // DELE, RMD
	MayRename        // RNFR
	MayMkdir         // MKD

	mayPurge Rights = 1 << 15 // remove what is in a directory that stays itself
)

// Top returns what r allows on the top of a tree: it can be neither removed nor renamed,
// but what is in it can.
func (r Rights) Top() Rights {
	if r&MayDelete != 0 {
		r |= mayPurge
	}
	return r &^ (MayDelete | MayRename)
}

// recent is how far back LIST shows the time of day instead of the year, and
// soon how far ahead a clock may be.
const (
	recent = 180 * 24 * time.Hour
	soon   = 24 * time.Hour
)

// AppendLIST appends the line of one entry as ls -l prints it, with times in
// UTC. now decides between time of day and year. A symbolic link whose target
// is known (storage.WantFollow and WantLink) shows it behind an arrow; one that
// leads nowhere, or out of the root, keeps its target to itself.
func AppendLIST(dst []byte, info *storage.Info, now time.Time) []byte {
	mode, size, links, target := info.Mode, info.Size, info.Nlink, ""
	switch {
	case mode&fs.ModeSymlink != 0:
		mode = fs.ModeSymlink | fs.ModePerm
	case info.Target != "":
		mode, target = fs.ModeSymlink|fs.ModePerm, info.Target
		size, links = int64(len(target)), 1
	}
	dst = appendMode(dst, mode)
	dst = appendPadded(dst, int64(max(1, links)), 4)
	dst = append(dst, " ftp      ftp     "...)
	dst = appendPadded(dst, size, 9)
	dst = append(dst, ' ')
	dst = appendDate(dst, info.ModTime.UTC(), now)
	dst = append(dst, ' ')
	dst = appendName(dst, info.Name)
	if target != "" {
		dst = append(dst, " -> "...)
		dst = appendName(dst, target)
	}
	return append(dst, '\r', '\n')
}

// AppendNLST appends prefix and name: together they must be what RETR takes
// (RFC 1123 section 4.1.2.7).
func AppendNLST(dst []byte, prefix, name string) []byte {
	dst = appendName(dst, prefix)
	dst = appendName(dst, name)
	return append(dst, '\r', '\n')
}

// AppendMLSx appends a line of MLSD: the facts, one space, the name (RFC 3659
// section 7.2).
func AppendMLSx(dst []byte, info *storage.Info, on codec.Facts, may Rights) []byte {
	dst = AppendFacts(dst, info, on, may)
	dst = append(dst, ' ')
	dst = appendName(dst, info.Name)
	return append(dst, '\r', '\n')
}

// AppendFacts appends the facts of one entry without space and name, as MLST
// needs them. A fact that is not known of this entry, such as the size of a
// directory, is left out.
func AppendFacts(dst []byte, info *storage.Info, on codec.Facts, may Rights) []byte {
	return appendFacts(dst, info, typeOf(info.Mode), on, may)
}

// Want is what a listing with these facts must ask the storage for. What the
// user may do follows from the type.
func Want(on codec.Facts) storage.Want {
	if on&^(codec.FactType|codec.FactPerm) == 0 {
		return storage.WantFollow
	}
	return storage.WantStat | storage.WantFollow
}

func appendFacts(dst []byte, info *storage.Info, kind string, on codec.Facts, may Rights) []byte {
	if on.Has(codec.FactType) {
		dst = append(append(append(dst, "type="...), kind...), ';')
	}
	if on.Has(codec.FactSize) && info.Mode.IsRegular() {
		dst = append(strconv.AppendInt(append(dst, "size="...), info.Size, 10), ';')
	}
	if on.Has(codec.FactModify) {
		dst = append(codec.AppendTime(append(dst, "modify="...), info.ModTime.Truncate(time.Second)), ';')
	}
	if on.Has(codec.FactPerm) {
		dst = append(appendPerm(append(dst, "perm="...), info.Mode, may), ';')
	}
	if on.Has(codec.FactUnique) && info.Ino != 0 {
		dst = strconv.AppendUint(append(dst, "unique="...), info.Dev, 16)
		dst = append(strconv.AppendUint(append(dst, 'g'), info.Ino, 16), ';')
	}
	if on.Has(codec.FactUnixMode) {
		dst = append(appendOctal(append(dst, "UNIX.mode="...), info.Mode), ';')
	}
	if on.Has(codec.FactUnixUID) {
		dst = append(strconv.AppendUint(append(dst, "UNIX.uid="...), uint64(info.UID), 10), ';')
	}
	if on.Has(codec.FactUnixGID) {
		dst = append(strconv.AppendUint(append(dst, "UNIX.gid="...), uint64(info.GID), 10), ';')
	}
	return dst
}

// typeOf is the type fact (RFC 3659 section 7.5.1). A link that could be
// followed has its target's mode.
func typeOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "dir"
	case mode&fs.ModeSymlink != 0:
		return "OS.unix=slink"
	case mode&fs.ModeNamedPipe != 0:
		return "OS.unix=pipe"
	case mode&fs.ModeSocket != 0:
		return "OS.unix=socket"
	case mode&fs.ModeCharDevice != 0:
		return "OS.unix=chr"
	}
	return "OS.unix=blk"
}

// permLetter says which right shows which letter (RFC 3659 section 7.5.5).
type permLetter struct {
	letter byte
	needs  Rights
}

var (
	filePerm = []permLetter{{'a', MayModify}, {'d', MayDelete}, {'f', MayRename}, {'r', MayRead}, {'w', MayModify}}
	dirPerm  = []permLetter{
		{'c', MayWrite}, {'d', MayDelete}, {'e', MayList}, {'f', MayRename}, {'l', MayList}, {'m', MayMkdir}, {'p', MayDelete | mayPurge},
	}
	linkPerm = []permLetter{{'d', MayDelete}, {'f', MayRename}} // and of whatever else cannot be opened
)

func appendPerm(dst []byte, mode fs.FileMode, may Rights) []byte {
	letters := linkPerm
	switch {
	case mode.IsRegular():
		letters = filePerm
	case mode.IsDir():
		letters = dirPerm
	}
	for _, p := range letters {
		if may&p.needs != 0 {
			dst = append(dst, p.letter)
		}
	}
	return dst
}

// appendName appends what a client or a user of the host called a file.
func appendName(dst []byte, name string) []byte {
	const ends, each, top = '\r' + 1, 0x0101010101010101, 0x8080808080808080
	start := len(dst)
	dst = append(dst, name...)
	at := dst[start:]
	for len(at) >= 8 { // eight bytes at a time, as long as none is below ends
		if x := binary.LittleEndian.Uint64(at); (x-ends*each)&^x&top != 0 {
			break
		}
		at = at[8:]
	}
	for i, c := range at {
		if c == '\r' || c == '\n' || c == 0 {
			at[i] = '?'
		}
	}
	return dst
}

func appendMode(dst []byte, mode fs.FileMode) []byte {
	const rwx = "---" + "--x" + "-w-" + "-wx" + "r--" + "r-x" + "rw-" + "rwx"
	u, g, o := 3*(mode>>6&7), 3*(mode>>3&7), 3*(mode&7)
	dst = append(dst, typeLetter(mode))
	dst = append(dst, rwx[u:u+3]...)
	dst = append(dst, rwx[g:g+3]...)
	return append(dst, rwx[o:o+3]...)
}

func typeLetter(mode fs.FileMode) byte {
	switch {
	case mode.IsRegular():
		return '-'
	case mode.IsDir():
		return 'd'
	case mode&fs.ModeSymlink != 0:
		return 'l'
	case mode&fs.ModeNamedPipe != 0:
		return 'p'
	case mode&fs.ModeSocket != 0:
		return 's'
	case mode&fs.ModeCharDevice != 0:
		return 'c'
	case mode&fs.ModeDevice != 0:
		return 'b'
	}
	return '-'
}

// appendOctal appends permission bits in four octal digits.
func appendOctal(dst []byte, mode fs.FileMode) []byte {
	return append(dst, '0', byte('0'+mode>>6&7), byte('0'+mode>>3&7), byte('0'+mode&7))
}

// appendPadded appends n with spaces before it, at least one of them, to width columns.
func appendPadded(dst []byte, n int64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	dst = append(dst, ' ')
	for i := len(text) + 1; i < width; i++ {
		dst = append(dst, ' ')
	}
	return append(dst, text...)
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// appendDate appends t as ls does: "Jan  2 15:04" near now, "Jan  2  2006" else.
func appendDate(dst []byte, t, now time.Time) []byte {
	year, month, day := t.Date()
	dst = append(dst, months[3*month-3:3*month]...)
	dst = appendPadded(dst, int64(day), 3)
	if age := now.Sub(t); age > recent || age < -soon {
		return appendPadded(dst, int64(min(max(year, 0), 9999)), 6)
	}
	hour, minute, _ := t.Clock()
	dst = append(dst, ' ')
	dst = appendTwo(dst, hour)
	dst = append(dst, ':')
	return appendTwo(dst, minute)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
