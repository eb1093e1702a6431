package serve

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// OfSequencer are a sequencer's metrics.
func OfSequencer(s *sequencer.Sequencer) prometheus.Collector {
	return &reading{subsystem: "sequencer", read: func(r *reading) {
		st, heads := s.Stats(), s.Heads()
		r.counter("transactions_total", "transactions acknowledged", float64(st.Transactions))
		r.counter("refused_total", "transactions refused", float64(st.Refused))
		r.counter("mini_blocks_total", "mini-blocks sealed", float64(st.MiniBlocks))
		r.counter("blocks_total", "blocks sealed", float64(st.Blocks))
		r.counter("commit_groups_total", "commit groups made durable", float64(st.Groups))
		r.counter("diff_bytes_total", "bytes of mini-blocks' diffs", float64(st.DiffBytes))
		r.counter("witness_bytes_total", "bytes of witnesses", float64(st.WitnessBytes))
		r.counter("sync_seconds_total", "time in fsync", st.SyncTime.Seconds())
		r.counter("root_seconds_total", "time in state roots", st.RootTime.Seconds())
		r.counter("witness_seconds_total", "time in witnesses", st.WitnessTime.Seconds())
		r.gauge("head_preconfirmed", "number of the newest mini-block's block", float64(heads.Preconfirmed.Number))
		r.gauge("head_sealed", "number of the newest sealed block", float64(heads.RootChecked.Number))
		r.gauge("head_published", "number of the newest block in the data-availability layer", float64(heads.Published.Number))
		r.gauge("head_proven", "number of the newest proven block", float64(heads.Proven.Number))
		r.queue("pool", "transactions that wait for execution", st.Pool, st.PoolMax)
		r.queue("journal", "entries that wait for the log", st.Journal, st.JournalMax)
		r.queue("unrooted", "closed blocks that wait for their root", st.Unrooted, st.UnrootedMax)
		r.queue("unpublished", "sealed blocks that wait for the data-availability layer", st.Unpublished, st.UnpublishedMax)
		r.queue("unproven", "blocks that wait for provers", st.Unproven, st.UnprovenMax)
		r.queue("unproven_bytes", "payloads of blocks that wait for provers, kept on disk", st.UnprovenBytes, st.UnprovenBytesMax)
		r.gauge("publishing", "blocks that are being put into the data-availability layer", float64(st.Publishing))
		r.gauge("oldest_unpublished_seconds", "how long the oldest block has waited for the layer", st.OldestUnpublished.Seconds())
		r.gauge("oldest_unproven_seconds", "how long the block after the proven head has waited for provers", st.OldestUnproven.Seconds())
		r.counters("da_errors_total", "tries to put an object into the layer that failed, by what it said", "error", map[string]uint64{
			"final": st.PutErrors.Final, "refused": st.PutErrors.Refused, "failover": st.PutErrors.Failover,
			"busy": st.PutErrors.Busy, "transient": st.PutErrors.Transient,
		})
		r.counter("da_lost_total", "objects that the layer took and did not give back, and that were put again", float64(st.Lost))
		r.counter("untold_total", "messages that the network was too busy to take", float64(st.Untold))
		r.gauge("evidence", "attestations of our provers that contradict our blocks", float64(st.Evidence))
	}}
}

// OfFullnode are a full node's metrics.
func OfFullnode(f *fullnode.Follower) prometheus.Collector {
	return &reading{subsystem: "fullnode", read: func(r *reading) {
		st, heads := f.Stats(), f.Heads()
		r.counter("transactions_total", "transactions of the mini-blocks applied", float64(st.Transactions))
		r.counter("mini_blocks_total", "mini-blocks applied", float64(st.MiniBlocks))
		r.counter("blocks_total", "blocks whose root was checked", float64(st.Blocks))
		r.counter("diff_bytes_total", "bytes of diffs applied", float64(st.DiffBytes))
		r.counter("body_bytes_total", "bytes of transactions taken", float64(st.BodyBytes))
		r.counter("receipt_bytes_total", "bytes of receipts taken", float64(st.ReceiptBytes))
		r.counter("blocks_from_da_total", "blocks that came from the data-availability layer", float64(st.BlocksFromDA))
		r.counter("da_refused_total", "objects that were not in the layer, or not what they should be", float64(st.DARefused))
		r.counter("verified_total", "blocks executed again, and confirmed", float64(st.Verified))
		r.counter("unverified_total", "blocks that were to be executed again, and were not", float64(st.Unverified))
		r.moment("last_unverified", "when a block was last not executed again", st.LastUnverified)
		r.counter("words_refused_total", "publications and attestations that were not taken", float64(st.WordsRefused))
		r.gauge("evidence", "things said that cannot be true", float64(st.Evidence))
		r.gauge("head_preconfirmed", "number of the newest mini-block's block", float64(heads.Preconfirmed.Number))
		r.gauge("head_published", "number of the newest block that is said to be in the data-availability layer", float64(heads.Published.Number))
		r.gauge("head_proven", "number of the newest block that enough provers vouch for", float64(heads.Proven.Number))
		r.moment("last_message", "when the last message of the feed came", st.LastMessage)
		r.counter("rejoins_total", "times that the node began anew at a snapshot", float64(st.Rejoins))
		r.counter("blocks_skipped_total", "blocks not followed because of that", float64(st.Skipped))
		r.counter("blocks_lost_total", "blocks of which history did not get the bodies", float64(st.Lost))
		r.counter("bodies_refused_total", "bodies that are not what the sequencer committed to", float64(st.BodiesRefused))
		r.moment("last_body_refused", "when a body was last refused", st.LastBodyRefused)
		r.gauge("backlog", "mini-blocks that wait for their bodies", float64(st.Backlog))
		r.gauge("backlog_bytes", "bytes of them", float64(st.BacklogBytes))
		r.gauge("backlog_bytes_max", "bound of backlog_bytes", float64(st.BacklogMax))
		r.gauge("head_root_checked", "number of the newest block whose root was checked", float64(heads.RootChecked.Number))
	}}
}

// OfHistory are a history's metrics.
func OfHistory(s *history.Store) prometheus.Collector {
	return &reading{subsystem: "history", read: func(r *reading) {
		r.gauge("oldest", "number of the oldest block from which on none is missing", float64(s.Oldest()))
		st, err := s.Stats()
		if err != nil {
			return // the store is closed: what it had is not zero
		}
		r.gauge("blocks", "blocks kept on disk", float64(st.Blocks))
		r.gauge("transactions", "transactions kept on disk", float64(st.Txs))
		r.gauge("logs", "logs kept on disk", float64(st.Logs))
		r.gauge("unpersisted", "blocks that are not on disk yet", float64(st.Unpersisted))
		r.gauge("disk_bytes", "size of the file", float64(st.DiskBytes))
		r.gauge("cache_bytes", "decoded blocks in memory", float64(st.CacheBytes))
		r.gauge("feed_bytes", "mini-blocks kept for subscribers", float64(st.FeedBytes))
	}}
}

// OfPeers are the metrics of a place in the network.
func OfPeers(n *gossip.Node) prometheus.Collector {
	return &reading{subsystem: "p2p", read: func(r *reading) {
		st := n.Stats()
		r.gauge("peers", "peers that are connected", float64(st.Peers))
		r.counter("received_bytes_total", "bytes of gossip that came", float64(st.Received))
		r.counter("sent_bytes_total", "bytes of gossip that went", float64(st.Sent))
		r.counter("served_bytes_total", "bytes of answers to requests", float64(st.ServedBytes))
		r.counter("chunks_given_total", "chunks of snapshots that went to peers", float64(st.ChunksGiven))
		r.counter("chunks_taken_total", "chunks of snapshots that came from peers", float64(st.ChunksTaken))
		r.counter("chunks_refused_total", "answers of peers about chunks that were not of the snapshot on offer", float64(st.ChunksRefused))
		r.counter("duplicates_total", "messages that came again", float64(st.Duplicates))
		r.counter("dropped_total", "messages that a full queue lost on the way in", float64(st.Dropped))
		r.counter("unsent_total", "messages that a full queue lost on the way out", float64(st.Unsent))
		r.counter("asked_total", "requests to peers", float64(st.Asked))
		r.counter("answered_total", "requests to peers that brought something", float64(st.Answered))
		r.counter("served_total", "requests of peers", float64(st.Served))
		r.counter("turned_away_total", "requests of peers that were turned away", float64(st.Turned))
		r.counter("begun_anew_total", "how often the feed began anew, because nobody kept what it lacked", float64(st.Begun))
		r.counter("bodies_lost_total", "bodies that no peer had", float64(st.BodiesLost))
		r.counter("bans_total", "peers thrown out", float64(st.Bans))
		r.gauge("evidence", "contradictions of signers", float64(st.Evidence))
		r.counters("refused_total", "messages that were refused, by why", "reason", st.Refused)
		messages := make(map[string]uint64)
		for verdict, n := range st.Verdicts {
			messages[verdict.String()] = n
		}
		r.counters("messages_total", "messages that a signer answers for, by what became of them", "verdict", messages)
		r.gauge("newest_block", "number of the newest block that a signer spoke of: ours should not be far behind", float64(st.Newest.Number))
		r.moment("heartbeat", "when the sequencer's last heartbeat came", st.HeardAt)
	}}
}

// OfLayers are the metrics of data-availability layers, by their names, of which active is
// the position of the one that blobs go to.
func OfLayers(names []string, active func() int) prometheus.Collector {
	return &reading{subsystem: "da", read: func(r *reading) {
		now := active()
		desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, r.subsystem, "active"), "1 for the layer that blobs go to", []string{"position", "layer"}, nil)
		for i, name := range names {
			value := 0.
			if i == now {
				value = 1
			}
			r.samples = append(r.samples, sample{desc, prometheus.GaugeValue, value, []string{strconv.Itoa(i), name}})
		}
	}}
}

// OfDesk are the metrics of the work that provers are given.
func OfDesk(d *sequencer.Desk) prometheus.Collector {
	return &reading{subsystem: "desk", read: func(r *reading) {
		st := d.Stats()
		r.queue("leases", "leases that last", st.Leases, st.LeasesMax)
		r.gauge("provers", "provers that have a lease", float64(st.Provers))
		r.gauge("unproven", "published blocks that are not proven", float64(st.Unproven))
		r.gauge("failing", "unproven blocks that a prover failed with", float64(len(st.Failing)))
		r.counters("leases_total", "leases, by what became of them", "event", map[string]uint64{
			"granted": st.Granted, "renewed": st.Renewed, "released": st.Released, "expired": st.Expired, "failed": st.Failed,
		})
		r.counter("submitted_total", "attestations that were taken", float64(st.Submitted))
		r.counter("refused_total", "attestations that were not taken", float64(st.Refused))
	}}
}

// OfProver are a prover's metrics, with those of the sequencer's door and of the
// data-availability layer as it sees them.
func OfProver(p *prover.Prover, door, layer *Pulse) prometheus.Collector {
	return &reading{subsystem: "prover", read: func(r *reading) {
		st := p.Stats()
		r.counter("attested_total", "attestations that were taken", float64(st.Attested))
		r.counter("failed_total", "blocks that could not be proven", float64(st.Failed))
		r.counter("leased_total", "blocks that were leased", float64(st.Leased))
		r.counter("from_source_total", "blocks that the sequencer gave, since the layer did not", float64(st.FromSource))
		r.counter("leases_lost_total", "leases that were lost before the work was done", float64(st.Lost))
		r.gauge("queued", "blocks that wait for a worker", float64(st.Queued))
		r.gauge("working", "blocks that are worked on", float64(st.Working))
		r.counter("door_errors_total", "requests to the sequencer that it did not answer", float64(door.Errors()))
		r.counter("da_errors_total", "requests to the data-availability layer that it did not answer", float64(layer.Errors()))
	}}
}
