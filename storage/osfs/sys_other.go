//go:build !unix

package osfs

import (
	"io/fs"
	"os"

	"fastftps/storage"
)

const openFlags = 0

// infoOfFile turns what package os tells of a file into ours. There is no
// owner, no link count and no inode number to tell.
func infoOfFile(fi fs.FileInfo, name string) storage.Info {
	return storage.Info{
		Name:    name,
		Size:    fi.Size(),
		ModTime: fi.ModTime().UTC(),
		Mode:    fi.Mode() & (fs.ModeType | fs.ModePerm),
		Nlink:   1,
	}
}

func unrooted(d *os.File) (*os.File, error) { return d, nil }

func setBlocking(*os.File) error { return nil }
