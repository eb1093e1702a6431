package chain

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// hotContract makes parts Changes of one contract, each with slots of its own.
func hotContract(parts, slots int) (list []*Changes) {
	account := contract(1, []byte{1})
	for i := range parts {
		a := AccountChange{Address: address(1), Before: account, After: account, Existed: true, Exists: true}
		for j := range slots {
			var s SlotChange
			binary.BigEndian.PutUint32(s.Key[:], uint32(j*parts+i))
			s.After = wei(1)
			a.Slots = append(a.Slots, s)
		}
		list = append(list, &Changes{Accounts: []AccountChange{a}})
	}
	return list
}

// A block of many mini-blocks that all write to one contract.
func BenchmarkMerge(b *testing.B) {
	for _, parts := range []int{1, 10, 100} {
		list := hotContract(parts, 60_000/parts)
		b.Run(fmt.Sprintf("parts=%d", parts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Merge(list...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkChangesEncoding(b *testing.B) {
	c := hotContract(1, 60_000)[0]
	encoded := encode(c)
	b.Run("append", func(b *testing.B) {
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			encoded, _ = c.AppendBinary(encoded[:0])
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.SetBytes(int64(len(encoded)))
		b.ReportAllocs()
		for b.Loop() {
			if err := new(Changes).UnmarshalBinary(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
