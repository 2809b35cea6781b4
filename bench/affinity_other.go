//go:build !linux

package bench

import "errors"

func pin(int, []int) error { return errors.ErrUnsupported }

// PinSelf has this process run on certain CPUs; on Linux only.
func PinSelf([]int) error { return errors.ErrUnsupported }
