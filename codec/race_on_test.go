//go:build race

package codec

// raceEnabled: under the race detector sync.Pool drops things at random.
const raceEnabled = true
