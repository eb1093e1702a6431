package main

type options struct {
	replay                 string
	json, verbose, compare bool
}

func main() { _ = replay }
