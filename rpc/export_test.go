package rpc

import "time"

// Linger is how long a door that stops waits for clients: on a machine that is busy with
// other things, they may need longer than lingerTime to say something.
func (s *Server) Linger(d time.Duration) { s.lingers = d }
