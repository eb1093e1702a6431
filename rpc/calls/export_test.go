package calls

// RevertReason is revertReason, for its comparison with go-ethereum's.
var RevertReason = revertReason
