package memfs

import (
	"io"
	"io/fs"

	"fastftps/storage"
)

// dir is an open directory.
type dir struct {
	fs    *FS // nil once closed
	path  storage.Path
	want  storage.Want
	node  *node
	names []string // still to be listed
}

// Next implements storage.Dir.
func (d *dir) Next(dst []storage.Info) (int, error) {
	if d.fs == nil {
		return 0, fs.ErrClosed
	}
	d.fs.mu.RLock()
	defer d.fs.mu.RUnlock()
	n := 0
	for n < len(dst) && len(d.names) > 0 {
		name := d.names[0]
		d.names = d.names[1:]
		if child := d.node.entries[name]; child != nil {
			dst[n] = d.describeLocked(child, name)
			n++
		}
	}
	if n == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// describeLocked gives what was asked for and no more, so that a caller who
// asks for too little fails here too.
func (d *dir) describeLocked(n *node, name string) storage.Info {
	target := ""
	if d.want&storage.WantLink != 0 {
		target = n.target
	}
	if n.isLink() && d.want&storage.WantFollow != 0 && d.fs.root != nil {
		if at, err := d.fs.existingLocked(d.path.Join(name), true); err == nil {
			n = at.node
		}
	}
	info := n.info(name)
	if d.want&(storage.WantStat|storage.WantFollow) == 0 {
		info = storage.Info{Name: name, Mode: n.mode.Type()}
	}
	info.Target = target
	return info
}

// Close implements storage.Dir.
func (d *dir) Close() error {
	if d.fs == nil {
		return fs.ErrClosed
	}
	d.fs, d.node, d.names = nil, nil, nil
	return nil
}
