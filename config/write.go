package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteSample writes a configuration file in which every key stands as a
// comment with its default: what "fastftps config default" prints.
func WriteSample(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("# Configuration of fastftps. Every key is shown with its default.\n")
	b.WriteString("# Check a change with: fastftps check -c FILE\n")
	c := Default()
	for _, s := range sections {
		if s.name == "listen" {
			sampleListeners(&b, c)
			continue
		}
		if s.name != "" {
			fmt.Fprintf(&b, "\n%s[%s]\n", comment(s.doc), s.name)
		}
		for _, k := range c.keysOf(s.name) {
			sampleKey(&b, k)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func sampleListeners(b *bytes.Buffer, c *Config) {
	for i := range c.Listen {
		b.WriteByte('\n')
		if i == 0 {
			b.WriteString(comment(sections[1].doc))
		}
		b.WriteString("[[listen]]\n")
		for _, k := range c.Listen[i].keys("") {
			switch {
			case i == 0:
				sampleKey(b, k)
			case k.name != "require_tls":
				fmt.Fprintf(b, "%s = %s\n", k.name, k.value.text())
			}
		}
	}
}

// sampleKey writes a key; the file needs version and the first listener's
// address, all others are commented out.
func sampleKey(b *bytes.Buffer, k key) {
	name := lastWord(k.name)
	mark := "#"
	if name == "version" || k.name == "addr" {
		mark = ""
	}
	fmt.Fprintf(b, "\n%s%s%s = %s\n", comment(k.doc+" ("+k.value.kind+")"), mark, name, k.value.text())
}

// comment wraps text into lines that begin with a number sign.
func comment(text string) string {
	const width = 98
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

// keysOf returns the rows of a section, listen's for a new listener.
func (c *Config) keysOf(section string) []key {
	if section == "listen" {
		l := Listen{RequireTLS: true}
		return l.keys("listen.N.")
	}
	var rows []key
	for _, k := range c.keys() {
		if name, _, nested := strings.Cut(k.name, "."); nested && name == section || !nested && section == "" {
			rows = append(rows, k)
		}
	}
	return rows
}

// Show writes the values in force as TOML, each with its origin in a comment:
// what "fastftps config show" prints. There are no secrets among them.
func (c *Config) Show(w io.Writer) error {
	var b bytes.Buffer
	table := ""
	for _, k := range c.keys() {
		header := ""
		if i := strings.LastIndexByte(k.name, '.'); i >= 0 {
			header = k.name[:i]
		}
		if header != table {
			table = header
			if strings.HasPrefix(header, "listen.") {
				header = "[listen]"
			}
			fmt.Fprintf(&b, "\n[%s]\n", header)
		}
		fmt.Fprintf(&b, "%-40s # %s\n", lastWord(k.name)+" = "+k.value.text(), c.origins[k.name])
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteReference writes the reference page of all keys as Markdown:
// docs/config.md.
func WriteReference(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(strings.Replace(referenceHead, "ATSTART", fixedKeys(), 1))
	c := Default()
	for _, s := range sections {
		title := "`[" + s.name + "]`"
		switch s.name {
		case "":
			title = "Top level"
		case "listen":
			title = "`[[listen]]`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | default | values | meaning |\n|---|---|---|---|\n", title, cell(s.doc))
		for _, k := range c.keysOf(s.name) {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", lastWord(k.name), cell(k.value.text()), cell(k.value.kind), cell(k.doc))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// fixedKeys lists the keys that are read at the start alone.
func fixedKeys() string {
	var names []string
	for _, k := range atStart {
		if strings.HasSuffix(k, ".") {
			k = "[[" + strings.TrimSuffix(k, ".") + "]]"
		}
		names = append(names, "`"+k+"`")
	}
	return strings.Join(names, ", ")
}

// cell escapes what would end a table's cell or make a tag.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(s)
}

const referenceHead = `# Configuration

<!-- Made from config/table.go: run "go test ./config -update" after a change. -->

The server reads one TOML file, by default ` + "`/etc/fastftps/fastftps.toml`" + `. An unknown key or a bad
value is an error that names the line; ` + "`fastftps check -c FILE`" + ` shows all of them, and
` + "`fastftps config default`" + ` prints a file with every key.

What comes later in this list wins:

1. the defaults below,
2. the file,
3. the environment: ` + "`FASTFTPS_TLS__MIN=1.3`" + ` is ` + "`tls.min`" + `, two underscores for each dot,
4. flags: ` + "`--set tls.min=1.3`" + `, and the flags of ` + "`fastftps serve`" + `.

` + "`fastftps config show`" + ` prints the values in force and where each one comes from.

At SIGHUP all is read again, in the same order. Sessions that stand keep what they came under; a file
with a fault changes nothing. These keys are read at the start alone, and a change is only warned of:
` + "ATSTART" + `.

Durations are written ` + "`90s`, `5m`, `1h30m`" + `; sizes ` + "`512B`, `64KiB`, `256MiB`, `2GiB`" + `. Lists are separated
by commas outside TOML.
`
