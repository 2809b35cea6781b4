// Package leaktest tells goleak what is no leak in a process that ran our engine.
package leaktest

import "go.uber.org/goleak"

// Processwide has goleak pass over what belongs to the process and never ends: the
// poller of netpoll, the pool behind it, workers of ants that wait for work, and what
// looks after their pools. A worker that is held by its work is a leak.
func Processwide() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	}
}
