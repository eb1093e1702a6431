package rpctest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Differences lists where two decoded JSON values differ, in the order of keys.
func Differences(got, want any) []string { return differences("", got, want) }

func differences(at string, got, want any) (list []string) {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(want)
		maps.Copy(keys, got)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			g, has := got[key]
			w, wants := want[key]
			switch at := at + "." + key; {
			case !has:
				list = append(list, fmt.Sprintf("%s: got nothing, want %s", at, brief(w)))
			case !wants:
				list = append(list, fmt.Sprintf("%s: got %s, want nothing", at, brief(g)))
			default:
				list = append(list, differences(at, g, w)...)
			}
		}
		return list
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			break
		}
		for i := range want {
			list = append(list, differences(fmt.Sprintf("%s[%d]", at, i), got[i], want[i])...)
		}
		return list
	default: // a string, a number, a boolean or null
		if got == want {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: got %s, want %s", at, brief(got), brief(want))}
}

func brief(v any) string {
	text, _ := json.Marshal(v) // it was decoded from JSON
	if len(text) > 300 {
		text = append(text[:300], "..."...)
	}
	return string(text)
}
