// Command porcupine times Porcupine, for `cargo xtask bench linearizable`.
//
// It answers requests of one line each, so that the two checkers can take turns on one input:
//
//	load PATH                    -> loaded EVENTS
//	check MODEL TIMEOUT_MS REPS  -> checked VERDICT BEST_NS MEDIAN_NS REPS BYTES
//
// or `error TEXT`. Models: register, kv (a partition per key), kv-whole. Reading is not timed. A
// time is the smaller of wall clock and processor time: where the machine is busy with something
// else, the clock would count that too.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

// enough is how long repetitions of one request may take together before they end.
const enough = 300 * time.Millisecond

var models = map[string]func(input) porcupine.Model{
	"register": func(in input) porcupine.Model { return register(in.initial) },
	"kv":       func(input) porcupine.Model { return kv() },
	"kv-whole": func(input) porcupine.Model { return kvWhole() },
}

func main() {
	requests := bufio.NewScanner(os.Stdin)
	var in input
	for requests.Scan() {
		answer, err := obey(strings.Fields(requests.Text()), &in)
		if err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
	}
}

func obey(words []string, in *input) (string, error) {
	switch {
	case len(words) == 2 && words[0] == "load":
		*in = input{}
		runtime.GC()
		read, err := read(words[1])
		if err != nil {
			return "", err
		}
		*in = read
		return fmt.Sprintf("loaded %d", len(in.events)), nil
	case len(words) == 4 && words[0] == "check":
		model, known := models[words[1]]
		timeout, badTimeout := strconv.Atoi(words[2])
		repetitions, badRepetitions := strconv.Atoi(words[3])
		if !known || badTimeout != nil || badRepetitions != nil || repetitions < 1 {
			return "", fmt.Errorf("no such check: %q", words)
		}
		return check(model(*in), in.events, time.Duration(timeout)*time.Millisecond, repetitions), nil
	default:
		return "", fmt.Errorf("no such request: %q", words)
	}
}

// check answers with nanoseconds and with the bytes one repetition allocates.
func check(model porcupine.Model, events []porcupine.Event, timeout time.Duration, most int) string {
	var verdict porcupine.CheckResult
	var before, after runtime.MemStats
	var times []time.Duration
	var total time.Duration
	var bytes uint64
	for len(times) < most && total < enough {
		if len(times) == 0 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		busy, started := processor(), time.Now()
		verdict = porcupine.CheckEventsTimeout(model, events, timeout)
		took := time.Since(started)
		took = min(took, processor()-busy)
		if len(times) == 0 {
			runtime.ReadMemStats(&after)
			bytes = after.TotalAlloc - before.TotalAlloc
		}
		times = append(times, took)
		total += took
		if verdict == porcupine.Unknown {
			break
		}
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	words := map[porcupine.CheckResult]string{
		porcupine.Ok: "valid", porcupine.Illegal: "invalid", porcupine.Unknown: "unknown",
	}
	best, median := times[0].Nanoseconds(), times[len(times)/2].Nanoseconds()
	return fmt.Sprintf("checked %s %d %d %d %d", words[verdict], best, median, len(times), bytes)
}

// processor is the time this process ran, on all processors together.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
