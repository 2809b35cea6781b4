package engine

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"fastftps/internal/leaktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(childServer())
	}
	goleak.VerifyTestMain(m, leaktest.Processwide()...)
}
