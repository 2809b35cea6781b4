package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Scenario is what clients do.
type Scenario struct {
	Name string
	// steps are chosen by weight, one an arrival; with walk they are all done in
	// order. Sessions are kept, but with visit every arrival has its own.
	steps []step
	walk  bool
	visit bool
	hold  holdKind // scenarios that hold sessions instead

	abort      chance
	slow       chance
	background background

	// What a scenario file says beyond that; flags come before it.
	File FileSettings
}

// step is one thing that a client does.
type step struct {
	kind   stepKind
	weight int
	line   string // of a listing
	sizes  *Sizes // of an upload; nil takes those of the run
	lo, hi time.Duration
}

// op is the operation that the step is, as far as that is known beforehand.
func (s step) op() op {
	return map[stepKind]op{stepRetr: opRetr, stepStor: opStor, stepList: opList, stepLogin: opLogin, stepHandshake: opHandshake}[s.kind]
}

type stepKind uint8

const (
	stepRetr stepKind = iota
	stepStor
	stepList
	stepLogin
	stepHandshake
	stepThink
)

// holdKind is what is held.
type holdKind uint8

const (
	holdNone holdKind = iota
	holdIdle
	holdStalled
)

// chance is something that befalls some transfers.
type chance struct {
	of    float64       // 0 to 1
	after time.Duration // of an abort
	rate  float64       // of a slow reader, bytes a second
}

func (c chance) hit(rng *rand.Rand) bool { return c.of > 0 && rng.Float64() < c.of }

// background is what goes on beside.
type background struct {
	idle      int
	keepalive time.Duration
}

// The built-in scenarios.
var builtin = map[string]Scenario{
	"retr":       {steps: []step{{kind: stepRetr, weight: 1}}},
	"stor":       {steps: []step{{kind: stepStor, weight: 1}}},
	"list":       {steps: []step{{kind: stepList, weight: 1, line: "LIST"}}},
	"mixed":      {steps: []step{{kind: stepRetr, weight: 7}, {kind: stepStor, weight: 2}, {kind: stepList, weight: 1, line: "LIST"}}},
	"smallfiles": {steps: []step{{kind: stepRetr, weight: 1}, {kind: stepStor, weight: 1}}},
	"login":      {steps: []step{{kind: stepLogin, weight: 1}}},
	"handshake":  {steps: []step{{kind: stepHandshake, weight: 1}}},
	"idle":       {hold: holdIdle},
	"stalled":    {hold: holdStalled},
}

// ParseScenario returns a built-in scenario, or reads a file whose name ends in
// .toml.
func ParseScenario(name string) (Scenario, error) {
	if strings.HasSuffix(name, ".toml") {
		return readScenario(name)
	}
	s, ok := builtin[name]
	if !ok {
		return Scenario{}, fmt.Errorf("%q is no scenario: retr, stor, mixed, login, handshake, idle, stalled, list, smallfiles or FILE.toml", name)
	}
	s.Name = name
	return s, nil
}

// DefaultSizes returns how large files are when no flag says.
func (s Scenario) DefaultSizes() Sizes {
	if s.File.Sizes != nil {
		return *s.File.Sizes
	}
	if s.Name == "smallfiles" {
		return Sizes{Median: 1 << 10}
	}
	return Sizes{Median: 64 << 10}
}

// has reports whether the scenario has a step of that kind.
func (s Scenario) has(k stepKind) bool {
	return slices.ContainsFunc(s.steps, func(st step) bool { return st.kind == k })
}

// alone reports whether every arrival brings a connection of its own, so that an
// open loop needs no sessions beforehand.
func (s Scenario) alone() bool { return s.visit || s.has(stepLogin) || s.has(stepHandshake) }

// choose draws a step by weight.
func (s Scenario) choose(rng *rand.Rand) step {
	sum := 0
	for _, st := range s.steps {
		sum += st.weight
	}
	n := rng.IntN(sum)
	for _, st := range s.steps {
		if n -= st.weight; n < 0 {
			return st
		}
	}
	panic("bench: weights do not add up")
}
