// Package leaktest tells goleak what is no leak in a process that ran our engine.
package leaktest

import "go.uber.org/goleak"

// Processwide has goleak pass over what belongs to the process and never ends: the
// poller of netpoll, the pool behind it, and what looks after the pools of ants.
func Processwide() []goleak.Option {
	var all []goleak.Option
	for _, f := range []string{
		"github.com/cloudwego/netpoll.(*defaultPoll).Wait",
		"github.com/panjf2000/ants/v2.(*goWorker).run.func1",
		"github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers",
		"github.com/panjf2000/ants/v2.(*poolCommon).ticktock",
	} {
		all = append(all, goleak.IgnoreAnyFunction(f))
	}
	return all
}
