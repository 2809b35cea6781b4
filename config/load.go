package config

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Setting is a value for a key and who says so, e.g. "--set" or "serve DIR".
type Setting struct {
	Key, Value, From string
}

// Input is what Load makes a Config of.
type Input struct {
	Preset []Setting // below the file
	File   string    // path of the file; "" for none
	Env    []string  // as os.Environ returns it
	Flags  []Setting // above everything

	// CheckKey says why the server would not use the file of a private key; nil
	// takes any.
	CheckKey func(file string) error
}

// EnvPrefix begins the names of environment variables. A dot of the key
// becomes two underscores: FASTFTPS_TLS__MIN is tls.min.
const EnvPrefix = "FASTFTPS_"

// reservedEnv are variables with the prefix that are no keys.
var reservedEnv = []string{EnvPrefix + "CONFIG"}

// Default returns the configuration of an empty file, unchecked.
func Default() *Config {
	c := &Config{Listen: make([]Listen, 2), origins: make(map[string]Origin)}
	for _, k := range c.keys() {
		if err := k.value.parse(k.def); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", k.name, err)) // a broken table
		}
	}
	c.Listen[1].Addr, c.Listen[1].Mode = ":990", modeImplicit
	return c
}

// Load reads and checks the configuration. The error is a Faults with
// everything that is wrong, or says that the file could not be read. A Config
// comes back with Faults too, for those who only show it.
func Load(in Input) (*Config, error) {
	c := Default()
	var faults Faults
	for _, s := range in.Preset {
		faults = append(faults, c.apply(s)...)
	}
	if in.File != "" {
		data, err := os.ReadFile(in.File)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		faults = append(faults, c.applyFile(in.File, data)...)
	}
	for _, s := range slices.Concat(fromEnv(in.Env), in.Flags) {
		faults = append(faults, c.apply(s)...)
	}
	if len(faults) == 0 { // else most checks would only repeat it
		faults = c.check(in.CheckKey)
	}
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return c, faults
	}
	return c, nil
}

// ParseSet splits the argument of --set, "key=value".
func ParseSet(arg string) (Setting, error) {
	key, value, ok := strings.Cut(arg, "=")
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		return Setting{}, fmt.Errorf("--set %q: want key=value, as in tls.min=1.3", arg)
	}
	return Setting{Key: key, Value: strings.TrimSpace(value), From: "--set " + key}, nil
}

// fromEnv returns the settings in the environment, in the order of their names.
func fromEnv(env []string) []Setting {
	var settings []Setting
	for _, entry := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, EnvPrefix)
		if !ok || slices.Contains(reservedEnv, name) {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		settings = append(settings, Setting{Key: key, Value: value, From: "environment " + name})
	}
	return settings
}

// apply takes a setting whose value is text.
func (c *Config) apply(s Setting) Faults {
	origin := Origin{From: s.From}
	fail := func(msg, hint string) Faults {
		return Faults{{Origin: origin, Key: s.Key, Msg: msg, Hint: hint}}
	}
	if s.Key == "listen" {
		listen, err := parseListeners(s.Value)
		if err != nil {
			return fail(err.Error(), "")
		}
		c.replaceListeners(listen, origin)
		return nil
	}
	c.growListen(s.Key)
	k, ok := c.find(s.Key)
	if !ok {
		return fail("unknown key", c.nearest(s.Key))
	}
	if err := k.value.parse(s.Value); err != nil {
		return fail(err.Error(), "")
	}
	c.setOrigin(s.Key, origin)
	return nil
}

func (c *Config) replaceListeners(listen []Listen, origin Origin) {
	c.forgetListeners()
	c.Listen = listen
	for i := range listen {
		c.setOrigin(fmt.Sprintf("listen.%d.addr", i), origin)
		c.setOrigin(fmt.Sprintf("listen.%d.mode", i), origin)
	}
}

// forgetListeners makes room for the listeners of a later source, which
// replace those of an earlier one.
func (c *Config) forgetListeners() {
	c.Listen = nil
	for key := range c.origins {
		if strings.HasPrefix(key, "listen.") {
			delete(c.origins, key)
		}
	}
}

// growListen makes room for the listener after the last one, so that
// listen.2.addr can be set when there are two.
func (c *Config) growListen(key string) {
	if strings.HasPrefix(key, fmt.Sprintf("listen.%d.", len(c.Listen))) {
		c.addListen()
	}
}

func (c *Config) addListen() {
	var l Listen
	for _, k := range l.keys("") {
		_ = k.value.parse(k.def) // Default has proved that it parses
	}
	c.Listen = append(c.Listen, l)
}

func (c *Config) setOrigin(key string, o Origin) { c.origins[key] = o }

// Origin returns where the value of a key comes from; the zero Origin for a
// default.
func (c *Config) Origin(key string) Origin { return c.origins[key] }

// parseListeners reads addresses separated by commas. A scheme gives the mode:
// ftp:// (the default) explicit, ftps:// implicit, plain:// no TLS.
func parseListeners(text string) ([]Listen, error) {
	var listen []Listen
	for item := range strings.SplitSeq(text, ",") {
		l := Listen{Addr: strings.TrimSuffix(strings.TrimSpace(item), "/"), Mode: modeExplicit, RequireTLS: true}
		if scheme, rest, ok := strings.Cut(l.Addr, "://"); ok {
			mode, known := map[string]string{"ftp": modeExplicit, "ftps": modeImplicit, "plain": modePlain}[scheme]
			if !known {
				return nil, fmt.Errorf("%q: want ftp://, ftps:// or plain:// before the address", item)
			}
			l.Mode, l.Addr = mode, rest
		}
		if err := checkAddr(l.Addr); err != nil {
			return nil, err
		}
		listen = append(listen, l)
	}
	return listen, nil
}
