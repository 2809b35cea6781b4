package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// applyFile takes the settings of a TOML file.
func (c *Config) applyFile(path string, data []byte) Faults {
	f := tomlFile{path: path, data: data, at: make(map[string]position)}
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		return Faults{f.syntaxFault(err)}
	}
	f.locate()
	var faults Faults
	if list, ok := doc["listen"]; ok {
		faults = f.listeners(c, list)
		delete(doc, "listen")
	}
	return append(faults, f.table(c, "", doc)...)
}

// tomlFile is a parsed file and where its keys stand.
type tomlFile struct {
	path string
	data []byte
	at   map[string]position // by dotted key, list[i] as list.i
}

// position is where a key and its value begin and how long they are.
type position struct {
	key, value           int
	keyWidth, valueWidth int
}

func (f *tomlFile) origin(offset, width int) Origin {
	start := bytes.LastIndexByte(f.data[:offset], '\n') + 1
	line, _, _ := bytes.Cut(f.data[start:], []byte{'\n'})
	return Origin{
		From: f.path, Line: 1 + bytes.Count(f.data[:offset], []byte{'\n'}), Col: offset - start + 1,
		text: string(bytes.TrimSuffix(line, []byte{'\r'})), width: width,
	}
}

func (f *tomlFile) keyOrigin(key string) Origin {
	p := f.at[key]
	return f.origin(p.key, p.keyWidth)
}

func (f *tomlFile) valueOrigin(key string) Origin {
	p := f.at[key]
	return f.origin(p.value, p.valueWidth)
}

func (f *tomlFile) syntaxFault(err error) Fault {
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return Fault{Origin: Origin{From: f.path}, Msg: err.Error()}
	}
	row, col := de.Position()
	offset := 0
	for range row - 1 {
		offset += bytes.IndexByte(f.data[offset:], '\n') + 1
	}
	return Fault{Origin: f.origin(min(offset+col-1, len(f.data)), 1), Msg: strings.TrimPrefix(de.Error(), "toml: ")}
}

// table takes the keys of a table and of those in it.
func (f *tomlFile) table(c *Config, prefix string, table map[string]any) (faults Faults) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key, v := prefix+name, table[name]
		if k, ok := c.find(key); ok {
			faults = append(faults, f.set(c, k, v)...)
			continue
		}
		sub, isTable := v.(map[string]any)
		switch {
		case isTable && isSection(key):
			faults = append(faults, f.table(c, key+".", sub)...)
		case isSection(key):
			faults = append(faults, Fault{Origin: f.valueOrigin(key), Key: key, Msg: fmt.Sprintf("must be a table: [%s]", key)})
		default:
			faults = append(faults, f.unknown(c, key, isTable))
		}
	}
	return faults
}

func (f *tomlFile) unknown(c *Config, key string, isTable bool) Fault {
	if !isTable {
		return Fault{Origin: f.keyOrigin(key), Key: key, Msg: "unknown key", Hint: c.nearest(key)}
	}
	hint, least := "", 1+len(key)/2
	for _, s := range sections {
		if d := distance(key, s.name); d < least {
			hint, least = s.name, d
		}
	}
	return Fault{Origin: f.keyOrigin(key), Key: key, Msg: "unknown section", Hint: hint}
}

func isSection(name string) bool {
	return name != "" && slices.ContainsFunc(sections, func(s section) bool { return s.name == name })
}

func (f *tomlFile) set(c *Config, k key, v any) Faults {
	err := k.value.toml(v)
	if err == nil && k.value.raw != nil {
		p := f.at[k.name]
		err = k.value.raw(string(f.data[p.value : p.value+p.valueWidth]))
	}
	if err != nil {
		return Faults{{Origin: f.valueOrigin(k.name), Key: k.name, Msg: err.Error()}}
	}
	c.setOrigin(k.name, f.valueOrigin(k.name))
	return nil
}

// listeners replaces all listeners by those of the file.
func (f *tomlFile) listeners(c *Config, v any) (faults Faults) {
	list, ok := v.([]any)
	if !ok {
		return Faults{{Origin: f.keyOrigin("listen"), Key: "listen", Msg: "must be a list of tables: [[listen]]"}}
	}
	c.forgetListeners()
	for i, item := range list {
		prefix := fmt.Sprintf("listen.%d.", i)
		table, ok := item.(map[string]any)
		if !ok {
			return append(faults, Fault{Origin: f.keyOrigin("listen"), Key: "listen", Msg: "must be a list of tables: [[listen]]"})
		}
		c.addListen()
		faults = append(faults, f.table(c, prefix, table)...)
		if _, ok := table["addr"]; !ok {
			faults = append(faults, Fault{Origin: f.keyOrigin(strings.TrimSuffix(prefix, ".")), Key: prefix + "addr", Msg: "this [[listen]] has no addr"})
		}
	}
	return faults
}

// locate notes where every key stands. The file is known to be well formed.
func (f *tomlFile) locate() {
	var p unstable.Parser
	p.Reset(f.data)
	prefix, lists := "", make(map[string]int)
	for p.NextExpression() {
		n := p.Expression()
		path, pos := keyOf(n)
		switch n.Kind {
		case unstable.Table:
			prefix = path + "."
		case unstable.ArrayTable:
			i := lists[path]
			lists[path]++
			if i == 0 {
				f.at[path] = pos
			}
			path = fmt.Sprintf("%s.%d", path, i)
			prefix = path + "."
		default:
			f.keyValue(prefix, n)
			continue
		}
		if _, known := f.at[path]; !known {
			f.at[path] = pos
		}
	}
}

func (f *tomlFile) keyValue(prefix string, n *unstable.Node) {
	path, pos := keyOf(n)
	f.place(prefix+path, pos, n)
}

// place notes a key with its value and what an inline table or a list of them
// holds.
func (f *tomlFile) place(path string, pos position, n *unstable.Node) {
	v := n.Value()
	end := int(n.Raw.Offset + n.Raw.Length)
	pos.value = f.valueStart(pos.key+pos.keyWidth, end)
	pos.valueWidth = len(bytes.TrimRight(f.data[pos.value:end], " \t"))
	f.at[path] = pos
	f.inside(path, pos, v)
}

func (f *tomlFile) inside(path string, pos position, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			f.keyValue(path+".", it.Node())
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			item := fmt.Sprintf("%s.%d", path, i)
			f.at[item] = pos
			f.inside(item, pos, it.Node())
		}
	}
}

// valueStart returns the offset after "=" and the space around it.
func (f *tomlFile) valueStart(from, end int) int {
	rest := f.data[from:end]
	return from + len(rest) - len(bytes.TrimLeft(rest, " \t="))
}

// keyOf returns a node's dotted key and where it stands.
func keyOf(n *unstable.Node) (string, position) {
	var parts []string
	var pos position
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if len(parts) == 0 {
			pos.key = int(k.Raw.Offset)
		}
		pos.keyWidth = int(k.Raw.Offset+k.Raw.Length) - pos.key
		parts = append(parts, string(k.Data))
	}
	pos.value, pos.valueWidth = pos.key, pos.keyWidth
	return strings.Join(parts, "."), pos
}
