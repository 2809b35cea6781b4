//go:build race

package session

// raceEnabled: under the race detector sync.Pool drops things at random.
const raceEnabled = true
