package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// Five machines 50 ms apart, of which three are cut off for a while; then one is
// killed and comes back.
func Example() {
	lab, err := netlab.New(netlab.Options{Nodes: 5, Conditions: netlab.Conditions{Delay: 50 * time.Millisecond}})
	if errors.Is(err, netlab.ErrUnsupported) {
		fmt.Println(err) // in a test, t.Skip(err)
		return
	}
	must(err)
	defer lab.Close()

	server, err := lab.Node(1).Start(netlab.Command{Args: []string{"python3", "-m", "http.server", "8547"}})
	must(err)
	get(lab.Node(1), "http://127.0.0.1:8547/")                           // by the loopback of node 1: control
	get(lab.Node(0), fmt.Sprintf("http://%s:8547/", lab.Node(1).Addr())) // over the link

	must(lab.Link(0, 1).Set(netlab.Conditions{Delay: 100 * time.Millisecond, Loss: 0.01, Rate: netlab.Mbit}))
	must(lab.Partition([]int{0, 1}, []int{2, 3, 4}))
	lab.Heal()

	server.Kill()
	server, err = server.Restart()
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Stop(ctx), server.Usage().CPU, lab.Node(1).Usage().MemoryMax)
}

// get asks as a process on the node would.
func get(from *netlab.Node, url string) {
	client := http.Client{Transport: &http.Transport{DialContext: from.Dial, DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(url, answer.Status)
	must(answer.Body.Close())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
