package report

import (
	"fmt"
	"strings"
)

// cells are the cells of one shade as strokes from left to right, in rows from
// the top and columns: a stroke of n cells takes few bytes.
func (h Heat) cells(first, last, cols, level int, most int64) string {
	var d strings.Builder
	for i := last; i >= first; i-- {
		row := h.Counts[i]
		is := func(j int) bool { return j < len(row) && row[j] > 0 && shade(row[j], most) == level }
		for j := 0; j < cols; j++ {
			if !is(j) {
				continue
			}
			from := j
			for is(j + 1) {
				j++
			}
			fmt.Fprintf(&d, "M%d %d.5h%d", from, last-i, j-from+1)
		}
	}
	return d.String()
}

// heatLegend shows the shades and the counts at their ends.
func heatLegend(most int64, class string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<span class="legend heat %s">responses in a cell: 1 <span class="ramp">`, class)
	for level := range heatLevels {
		fmt.Fprintf(&b, `<i class="h%d"></i>`, level)
	}
	fmt.Fprintf(&b, `</span> %s</span>`, count(most))
	return b.String()
}
