package rpc

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// Transactions are what a busy sequencer is asked to take, and beside recovering a
// signature the server below costs the most of each: it goes over the text twice more,
// calls by reflection and encodes the answer twice. So a piece of a batch that is nothing
// but plain calls of eth_sendRawTransaction does not go there. Plain is how libraries write
// them; all else goes the long way. The answers are the same, byte for byte.

// A sender takes transactions; *ethapi.API is one.
type sender interface {
	SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error)
}

const (
	sendMethod = "eth_sendRawTransaction"
	// sentBytes is more than the answer to one has.
	sentBytes = 1 << 10
)

var errCrashed = errors.New("method handler crashed") // as the server below says it

// sendPiece answers a piece that is nothing but transactions. It reports false, and has
// done nothing, if the server below is to answer: it also knows what else may be wrong
// with a request, and ends a batch whose answers are too many bytes.
func (e *endpoint) sendPiece(ctx context.Context, p *pieces, header http.Header, left time.Duration) bool {
	room := e.door.cfg.Limits.BatchBytes - p.results
	if e.sender == nil || header.Get("Content-Type") != "application/json" || room < len(p.calls)*sentBytes {
		return false
	}
	raws := p.transactions()
	if raws == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	answer := make([]byte, 0, 128*len(raws))
	for i, raw := range raws {
		hash, err := e.send(ctx, raw)
		if ctx.Err() != nil {
			break // the rest gets no answer here
		}
		answer = appendSent(append(answer, ','), p.calls[i].id, hash, err)
	}
	if len(answer) > 0 {
		answer[0] = '['
		_, _ = p.Write(append(answer, ']'))
	}
	return true
}

// transactions are those of a piece of plain calls; nil if one is not.
func (p *pieces) transactions() (raws []hexutil.Bytes) {
	for i, c := range p.calls {
		raw, ok := plainSend(c, p.request[2*i+1])
		if !ok {
			return nil
		}
		raws = append(raws, raw)
	}
	return raws
}

// plainSend is the transaction in a call, whose message is valid JSON, if that has a
// number without sign, point or exponent as its id, each field once, no other, and no
// escaped character.
func plainSend(c call, message []byte) (raw hexutil.Bytes, ok bool) {
	if c.method != sendMethod || !c.versioned || !isDigits(c.id) || bytes.IndexByte(message, '\\') >= 0 {
		return nil, false
	}
	n := 0
	fields(message, func(key, rest []byte) bool {
		if string(key) == "params" {
			raw, ok = plainParams(rest)
		}
		n++
		return true
	})
	return raw, ok && n == 4 // and the call has the other three
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// plainParams is what params of one hexadecimal string stand for.
func plainParams(params []byte) (raw hexutil.Bytes, ok bool) {
	n := 0
	elements(params, func(element []byte) bool {
		text, prefixed := bytes.CutPrefix(unquote(element), []byte("0x"))
		raw = make([]byte, hex.DecodedLen(len(text)))
		_, err := hex.Decode(raw, text)
		ok = prefixed && err == nil
		n++
		return ok && n == 1
	})
	return raw, ok && n == 1
}

// send hands a transaction over. As in the server below, a panic is that call's only.
func (e *endpoint) send(ctx context.Context, raw hexutil.Bytes) (hash common.Hash, err error) {
	defer func() {
		if why := recover(); why != nil {
			e.door.cfg.Logger.Error("method crashed", "method", sendMethod, "err", why, "stack", string(debug.Stack()))
			err = errCrashed
		}
	}()
	return e.sender.SendRawTransaction(ctx, raw)
}

// appendSent appends the answer to a call as the server below encodes it.
func appendSent(dst, id []byte, hash common.Hash, err error) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	if err == nil {
		dst = hex.AppendEncode(append(dst, `,"result":"0x`...), hash[:])
		return append(dst, `"}`...)
	}
	return append(append(append(dst, `,"error":`...), encodeError(err)...), '}')
}

func encodeError(err error) []byte {
	e := struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{Code: -32000, Message: err.Error()}
	if coded, ok := err.(rpc.Error); ok {
		e.Code = coded.ErrorCode()
	} else if err == errCrashed {
		e.Code = -32603
	}
	if detailed, ok := err.(rpc.DataError); ok {
		e.Data = detailed.ErrorData()
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic("rpc: data of an error is not JSON: " + err.Error())
	}
	return text
}
