package history

import "go.etcd.io/bbolt"

type boltTx = bbolt.Tx
