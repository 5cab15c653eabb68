package main

import (
	"hash/fnv"
	"maps"

	"github.com/anishathalye/porcupine"
)

// absent is what a register holds that nothing was written to.
const absent = -1 << 40

type registerKind int

// Numbered by how many arguments they have.
const (
	readRegister registerKind = iota
	writeRegister
	casRegister
)

type registerQuestion struct {
	kind          registerKind
	first, second int
}

type registerAnswer struct {
	value         int
	done, unknown bool
}

// register is the object of Porcupine's etcd tests: a failed cas saw another value, a read of
// nothing is an answer, and what is unknown is legal everywhere. States are compared as integers,
// which is the default; as there, no hash.
func register(initial int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, question, answer any) (bool, any) {
			held, asked, saw := state.(int), question.(registerQuestion), answer.(registerAnswer)
			switch asked.kind {
			case readRegister:
				return saw.unknown || saw.value == held, state
			case writeRegister:
				return true, asked.first
			default:
				if asked.first == held {
					return saw.unknown || saw.done, asked.second
				}
				return saw.unknown || !saw.done, state
			}
		},
	}
}

type kvKind int

const (
	getKey kvKind = iota
	putKey
	appendKey
)

type kvQuestion struct {
	kind       kvKind
	key, value string
}

type kvAnswer struct {
	value   string
	unknown bool
}

// kv is the object of Porcupine's key-value tests, judged key by key.
func kv() porcupine.Model {
	return porcupine.Model{
		PartitionEvent: byKey,
		Init:           func() any { return "" },
		Step: func(state, question, answer any) (bool, any) {
			held, asked, saw := state.(string), question.(kvQuestion), answer.(kvAnswer)
			switch asked.kind {
			case getKey:
				return saw.unknown || saw.value == held, state
			case putKey:
				return true, asked.value
			default:
				return true, held + asked.value
			}
		},
		Hash: func(state any) uint64 {
			hash := fnv.New64a()
			hash.Write([]byte(state.(string)))
			return hash.Sum64()
		},
	}
}

func byKey(events []porcupine.Event) [][]porcupine.Event {
	part := map[string]int{}
	keyOf := map[int]string{}
	var parts [][]porcupine.Event
	for _, event := range events {
		if event.Kind == porcupine.CallEvent {
			keyOf[event.Id] = event.Value.(kvQuestion).key
		}
		key := keyOf[event.Id]
		at, known := part[key]
		if !known {
			at = len(parts)
			part[key] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], event)
	}
	return parts
}

// kvWhole is the same object with all keys in one state, as in Porcupine's tests without
// partitions.
func kvWhole() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return map[string]string{} },
		Step: func(state, question, answer any) (bool, any) {
			held, asked, saw := state.(map[string]string), question.(kvQuestion), answer.(kvAnswer)
			if asked.kind == getKey {
				return saw.unknown || saw.value == held[asked.key], state
			}
			next := maps.Clone(held)
			if asked.kind == putKey {
				next[asked.key] = asked.value
			} else {
				next[asked.key] += asked.value
			}
			return true, next
		},
		Equal: func(one, other any) bool {
			return maps.Equal(one.(map[string]string), other.(map[string]string))
		},
		Hash: func(state any) uint64 {
			var all uint64
			for key, value := range state.(map[string]string) {
				hash := fnv.New64a()
				hash.Write([]byte(key))
				hash.Write([]byte(value))
				all ^= hash.Sum64()
			}
			return all
		},
	}
}
