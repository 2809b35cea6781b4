package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
)

// The embedded copy of a report in its page stands between these.
const (
	embedOpen  = `<script type="application/json" id="report">`
	embedClose = `</script>`
)

var errNoReport = errors.New("no report in it: want the JSON or the HTML of a bench run")

// WriteJSON writes r, indented, for docs/bench-report.schema.json. Values that
// JSON cannot hold (NaN, infinities) are set to 0 in r, lists that are nil are
// made empty.
func WriteJSON(w io.Writer, r *Report) error {
	r.Schema = Schema
	tidy(reflect.ValueOf(r).Elem())
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// tidy makes a value fit for JSON. A run of an hour must not be lost to one
// division by zero.
func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			v.SetFloat(0)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			tidy(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				tidy(v.Field(i))
			}
		}
	case reflect.Slice:
		tidyList(v)
	case reflect.Map:
		tidyMap(v)
	default:
	}
}

func tidyList(v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	switch v.Type().Elem().Kind() {
	case reflect.Float64, reflect.Struct, reflect.Slice:
		for i := range v.Len() {
			tidy(v.Index(i))
		}
	default:
	}
}

func tidyMap(v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for _, k := range v.MapKeys() {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(v.MapIndex(k))
		tidy(elem)
		v.SetMapIndex(k, elem)
	}
}

// ReadJSON reads a report. It passes over fields that it does not know and
// refuses a schema that is newer than Schema.
func ReadJSON(rd io.Reader) (*Report, error) {
	data, err := io.ReadAll(rd)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func parse(data []byte) (*Report, error) {
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoReport, err)
	}
	switch {
	case head.Schema == nil || *head.Schema < 1:
		return nil, errNoReport
	case *head.Schema > Schema:
		return nil, fmt.Errorf("schema %d is newer than %d, the newest that this version reads", *head.Schema, Schema)
	}
	r := new(Report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoReport, err)
	}
	return r, nil
}

// ReadFile reads a report from its JSON file or from its page.
func ReadFile(name string) (*Report, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if _, rest, ok := bytes.Cut(data, []byte(embedOpen)); ok {
		data, _, _ = bytes.Cut(rest, []byte(embedClose))
	}
	r, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
