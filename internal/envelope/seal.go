package envelope

import (
	"fmt"

	"github.com/vivace-chain/vivace/chain"
)

// Seal appends the envelope of body to dst. It packs the body where that is worth
// it. It does not keep body. An error matches chain.ErrTooLarge or chain.ErrCorrupt
// when body or h are such that everybody would refuse them by DefaultLimits; else it
// is the Signer's.
func Seal(dst []byte, h Header, body []byte, s Signer) ([]byte, error) {
	if len(body) > DecodedMax {
		return nil, fmt.Errorf("%w: %s of %d bytes", chain.ErrTooLarge, h.Kind, len(body))
	}
	h.Packed, h.Decoded, h.Content = false, uint32(len(body)), chain.Keccak256(body)
	sent, sum := body, h.Content
	if kinds[h.Kind].pack {
		if packed, ok := pack(body); ok {
			h.Packed, sent, sum = true, packed, chain.Keccak256(packed)
		}
	}
	start := len(dst)
	dst = h.append(dst)
	sig, err := s.Sign(signingHash(dst[start:], sum))
	if err != nil {
		return nil, fmt.Errorf("sign %s %s: %w", h.Kind, h.Place, err)
	}
	if err := checkForm(&sig); err != nil {
		return nil, fmt.Errorf("sign %s %s: %w", h.Kind, h.Place, err)
	}
	dst = append(append(dst, sig[:]...), sent...)
	if _, err := Peek(dst[start:], nil); err != nil {
		return nil, err
	}
	return dst, nil
}
