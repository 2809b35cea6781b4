//go:build !linux

package bench

// tree knows nothing where there is no /proc.
type tree struct{}

func newTree(int) tree { return tree{} }

func (t *tree) usage() usage { return usage{} }

func (t *tree) memory() memory { return memory{} }

func pssOf(int) int64 { return 0 }

func fdsOf(int) int64 { return 0 }
