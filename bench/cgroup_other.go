//go:build !linux

package bench

import (
	"errors"
	"time"
)

// cgroup is Linux's.
type cgroup struct{}

func newCgroup(string) (*cgroup, error) { return nil, errors.ErrUnsupported }

func (g *cgroup) add(int) error { return errors.ErrUnsupported }

func (g *cgroup) usage() (user, sys time.Duration, err error) { return 0, 0, errors.ErrUnsupported }

func (g *cgroup) remove() {}
