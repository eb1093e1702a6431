package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// Five machines 50 ms apart, of which three are cut off for a while; then the first is
// killed and comes back.
func Example() {
	lab, err := netlab.New(netlab.Options{Nodes: 5, Conditions: netlab.Conditions{Delay: 50 * time.Millisecond}})
	if errors.Is(err, netlab.ErrUnsupported) {
		fmt.Println("skipped:", err) // in a test, t.Skip(err)
		return
	} else if err != nil {
		panic(err)
	}
	defer lab.Close()

	var servers []*netlab.Process
	for i := range lab.Size() {
		p, err := lab.Node(i).Start(netlab.Command{Args: []string{"python3", "-m", "http.server", "8547"}})
		if err != nil {
			panic(err)
		}
		servers = append(servers, p)
	}
	fromNode0 := http.Client{Transport: &http.Transport{DialContext: lab.Node(0).Dial}}
	fromNode0.Get("http://127.0.0.1:8547/")                                       // node 0 itself, by its loopback
	fromNode0.Get(fmt.Sprintf("http://%s/", lab.Node(1).Addr().String()+":8547")) // node 1, over the link

	lab.Partition([]int{0, 1}, []int{2, 3, 4})
	lab.Heal()
	lab.Link(0, 1).Set(netlab.Conditions{Delay: 100 * time.Millisecond, Loss: 0.01, Rate: netlab.Mbit})

	servers[0].Kill()
	if servers[0], err = servers[0].Restart(); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(servers[0].Stop(ctx), servers[0].Usage().CPU, lab.Node(0).Usage().MemoryMax)
}
