package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// An input is one history. Its text:
//
//	register nil|INT | kv                  the first line: what the object is, what it holds first
//	call ID read | write INT | cas INT INT
//	call ID get KEY | put KEY TEXT | append KEY TEXT     a key has no space in it
//	return ID done | missed | nil | value INT-or-TEXT
//
// A call without return is of unknown outcome. As in Porcupine's own tests it returns after
// everything else, with an answer that any state allows.
type input struct {
	initial int
	events  []porcupine.Event
}

func read(path string) (input, error) {
	file, err := os.Open(path)
	if err != nil {
		return input{}, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<16), 1<<26)
	if !lines.Scan() {
		return input{}, fmt.Errorf("%s is empty", path)
	}
	var in input
	shape := strings.Fields(lines.Text())
	isRegister := len(shape) == 2 && shape[0] == "register"
	if isRegister {
		if in.initial, err = integer(shape[1]); err != nil {
			return input{}, err
		}
	}
	open := map[int]bool{}
	for number := 2; lines.Scan(); number++ {
		event, err := parse(lines.Text(), isRegister)
		if err != nil {
			return input{}, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		open[event.Id] = event.Kind == porcupine.CallEvent
		in.events = append(in.events, event)
	}
	for at := 0; at < len(in.events); at++ {
		event := in.events[at]
		if event.Kind == porcupine.CallEvent && open[event.Id] {
			var unknown any = registerAnswer{unknown: true}
			if !isRegister {
				unknown = kvAnswer{unknown: true}
			}
			in.events = append(in.events, porcupine.Event{Kind: porcupine.ReturnEvent, Value: unknown, Id: event.Id})
		}
	}
	return in, lines.Err()
}

func integer(word string) (int, error) {
	if word == "nil" {
		return absent, nil
	}
	return strconv.Atoi(word)
}

func parse(line string, isRegister bool) (porcupine.Event, error) {
	words := strings.SplitN(line, " ", 3)
	if len(words) != 3 {
		return porcupine.Event{}, fmt.Errorf("not an event: %q", line)
	}
	id, err := strconv.Atoi(words[1])
	if err != nil {
		return porcupine.Event{}, err
	}
	var value any
	isCall := words[0] == "call"
	switch {
	case isCall && isRegister:
		value, err = registerCall(strings.Fields(words[2]))
	case isCall:
		value, err = kvCall(words[2])
	case isRegister:
		value, err = registerReturn(strings.Fields(words[2]))
	default:
		value, err = kvReturn(words[2])
	}
	return porcupine.Event{Kind: porcupine.EventKind(!isCall), Value: value, Id: id}, err
}

func registerCall(words []string) (any, error) {
	kinds := map[string]registerKind{"read": readRegister, "write": writeRegister, "cas": casRegister}
	kind, known := kinds[words[0]]
	if !known || len(words) != 1+int(kind) {
		return nil, fmt.Errorf("no such call: %q", words)
	}
	call := registerQuestion{kind: kind}
	for at, argument := range []*int{&call.first, &call.second} {
		if at+1 < len(words) {
			var err error
			if *argument, err = integer(words[at+1]); err != nil {
				return nil, err
			}
		}
	}
	return call, nil
}

func registerReturn(words []string) (any, error) {
	switch {
	case len(words) == 1 && words[0] == "done":
		return registerAnswer{done: true}, nil
	case len(words) == 1 && words[0] == "missed":
		return registerAnswer{}, nil
	case len(words) == 1 && words[0] == "nil":
		return registerAnswer{value: absent}, nil
	case len(words) == 2 && words[0] == "value":
		value, err := integer(words[1])
		return registerAnswer{value: value}, err
	default:
		return nil, fmt.Errorf("no such return: %q", words)
	}
}

func kvCall(text string) (any, error) {
	words := strings.SplitN(text, " ", 3)
	kinds := map[string]kvKind{"get": getKey, "put": putKey, "append": appendKey}
	kind, known := kinds[words[0]]
	if !known || len(words) < 2 || (kind != getKey && len(words) != 3) {
		return nil, fmt.Errorf("no such call: %q", text)
	}
	call := kvQuestion{kind: kind, key: words[1]}
	if len(words) == 3 {
		call.value = words[2]
	}
	return call, nil
}

func kvReturn(text string) (any, error) {
	value, isValue := strings.CutPrefix(text, "value ")
	if !isValue && text != "done" {
		return nil, fmt.Errorf("no such return: %q", text)
	}
	return kvAnswer{value: value}, nil
}
