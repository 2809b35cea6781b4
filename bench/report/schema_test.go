package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// schema is as much of JSON Schema as docs/bench-report.schema.json uses.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        string             `json:"type"`
	Const       any                `json:"const"`
	Minimum     *float64           `json:"minimum"`
	Format      string             `json:"format"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *schema            `json:"additionalProperties"`
	Items       *schema            `json:"items"`
	Defs        map[string]*schema `json:"$defs"`
	Description string             `json:"description"`
	Title       string             `json:"title"`
	ID          string             `json:"$id"`
	Dialect     string             `json:"$schema"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	data, err := os.ReadFile("../../docs/bench-report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // a keyword that the validator below does not know
	s := new(schema)
	if err := d.Decode(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns what is wrong with v. It is strict: a property that the
// schema does not name is a fault, for the writer is ours.
func (root *schema) validate(s *schema, v any, path string) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, path+": "+fmt.Sprintf(format, args...))
	}
	if s.Ref != "" {
		def := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		if def == nil {
			return []string{path + ": no definition " + s.Ref}
		}
		return root.validate(def, v, path)
	}
	if s.Const != nil && v != s.Const {
		fault("is %v, want %v", v, s.Const)
	}
	switch x := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			fault("is an object, want %s", s.Type)
		}
		for _, name := range s.Required {
			if _, ok := x[name]; !ok {
				fault("no %s", name)
			}
		}
		for name, value := range x {
			switch {
			case s.Properties[name] != nil:
				faults = append(faults, root.validate(s.Properties[name], value, path+"."+name)...)
			case s.Additional != nil:
				faults = append(faults, root.validate(s.Additional, value, path+"."+name)...)
			default:
				fault("has %s, which the schema does not name", name)
			}
		}
	case []any:
		if s.Type != "array" {
			fault("is an array, want %s", s.Type)
			return faults
		}
		for i, value := range x {
			faults = append(faults, root.validate(s.Items, value, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case float64:
		if s.Const == nil && s.Type != "number" && (s.Type != "integer" || x != math.Trunc(x)) {
			fault("is %v, want %s", x, s.Type)
		}
		if s.Minimum != nil && x < *s.Minimum {
			fault("is %v, want at least %v", x, *s.Minimum)
		}
	case string:
		if s.Type != "string" {
			fault("is a string, want %s", s.Type)
		}
		if _, err := time.Parse(time.RFC3339Nano, x); s.Format == "date-time" && err != nil {
			fault("is %q, want a time", x)
		}
	case bool:
		if s.Type != "boolean" {
			fault("is a boolean, want %s", s.Type)
		}
	default:
		fault("is %v, want %s", v, s.Type)
	}
	return faults
}

// fill sets every field of a value to something that is not its zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64, reflect.Uint8:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), elem)
	case reflect.Struct:
		if at, ok := v.Addr().Interface().(*time.Time); ok {
			*at = still()
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("no filling for " + v.Type().String())
	}
}

// TestSchemaHolds: reports of every shape fit the schema, with all optional
// parts and without any.
func TestSchemaHolds(t *testing.T) {
	s := readSchema(t)
	full := new(Report)
	fill(reflect.ValueOf(full).Elem())
	all := cases(t)
	all["full"] = full
	all["bare target"] = &Report{Targets: []Target{{}}}
	for name, r := range all {
		var b bytes.Buffer
		if err := WriteJSON(&b, r); err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		for _, fault := range s.validate(s, v, "report") {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// TestSchemaRefuses: the validator sees faults.
func TestSchemaRefuses(t *testing.T) {
	s := readSchema(t)
	good := func() map[string]any {
		var b bytes.Buffer
		if err := WriteJSON(&b, &Report{Targets: []Target{{}}}); err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(b.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, spoil := range map[string]func(map[string]any){
		"schema 2":     func(v map[string]any) { v["schema"] = 2.0 },
		"missing":      func(v map[string]any) { delete(v, "env") },
		"extra":        func(v map[string]any) { v["more"] = 1.0 },
		"null":         func(v map[string]any) { v["targets"] = nil },
		"deep":         func(v map[string]any) { v["env"].(map[string]any)["cores"] = 1.5 },
		"negative":     func(v map[string]any) { v["seconds"] = -1.0 },
		"no time":      func(v map[string]any) { v["started"] = "today" },
		"not a string": func(v map[string]any) { v["args"].(map[string]any)["seed"] = "1" },
	} {
		v := good()
		if faults := s.validate(s, v, ""); len(faults) > 0 {
			t.Fatalf("the good report: %v", faults)
		}
		spoil(v)
		if faults := s.validate(s, v, ""); len(faults) == 0 {
			t.Errorf("%s: no fault found", name)
		}
	}
}

// TestSchemaNames: the schema and the structs name the same fields, and the same
// ones are optional.
func TestSchemaNames(t *testing.T) {
	s := readSchema(t)
	seen := map[string]bool{}
	sameNames(t, reflect.TypeFor[Report](), s, s, seen)
	for name := range s.Defs {
		if !seen[name] {
			t.Errorf("the schema defines %s, which no field uses", name)
		}
	}
}

func sameNames(t *testing.T, typ reflect.Type, s, root *schema, seen map[string]bool) {
	t.Helper()
	seen[typ.Name()] = true
	var names, required []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if opts != "omitempty" {
			required = append(required, name)
		}
		elem := f.Type
		for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Pointer || elem.Kind() == reflect.Map {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && elem != reflect.TypeFor[time.Time]() && !seen[elem.Name()] {
			def := root.Defs[elem.Name()]
			if def == nil {
				t.Errorf("the schema does not define %s", elem.Name())
				continue
			}
			sameNames(t, elem, def, root, seen)
		}
	}
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, names) {
		t.Errorf("%s: the schema names %v, the struct %v", typ.Name(), got, names)
	}
	slices.Sort(required)
	if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
		t.Errorf("%s: the schema requires %v, the struct %v", typ.Name(), got, required)
	}
}
