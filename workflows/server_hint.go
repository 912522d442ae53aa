package workflows

import "strings"

// serverHints are the next steps for errors of a connection, by a part of their message: gRPC keeps
// nothing else of them.
func serverHints() [][2]string {
	const (
		demands = "the server closed the connection: it may demand TLS (set TEMPORAL_TLS=true) or a client's " +
			"certificate (TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH)"
		name = "set TEMPORAL_TLS_SERVER_NAME to a name in the server's certificate"
		key  = "set TEMPORAL_API_KEY to a key for this namespace"
	)
	return [][2]string{
		{
			"unknown authority",
			"set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that signed the server's",
		},
		{"certificate is not valid for", name},
		{"certificate is valid for", name},
		{"cannot validate certificate", name},
		{"does not look like a TLS handshake", "the server does not use TLS: set TEMPORAL_TLS=false"},
		{"tls: certificate required", demands},
		{"tls: bad certificate", "the server refuses the certificate of TEMPORAL_TLS_CLIENT_CERT_PATH"},
		{"certificate has expired", "renew the certificate"},
		{"Unauthenticated", key},
		{"PermissionDenied", key},
		{"unauthorized", key},
		{"server preface", demands},
		{"broken pipe", demands},
		{"connection reset", demands},
	}
}

// ServerHint returns the next step for the error of a connection to a Temporal server, or "".
func ServerHint(err error) string {
	for _, hint := range serverHints() {
		if strings.Contains(err.Error(), hint[0]) {
			return hint[1]
		}
	}
	return ""
}
