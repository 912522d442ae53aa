package staging

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	// Cert is its own certificate, which is also in the file ca.pem.
	Cert *x509.Certificate
	t    *testing.T
	key  *ecdsa.PrivateKey
	dir  string
	// issued is how many certificates there are; it numbers them.
	issued int64
}

// NewAuthority returns an authority whose files are in a folder of the test.
func NewAuthority(t *testing.T) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	a.Cert, a.key = a.issue("ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// Issue writes server.pem, for a server on the loopback interface, client.pem, and their keys.
func (a *Authority) Issue() {
	a.t.Helper()
	a.issue("server", &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	})
	a.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

// issue writes NAME.pem and NAME.key, signed by the authority, or by itself if it is the first.
func (a *Authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.issued++
	c.SerialNumber, c.Subject = big.NewInt(a.issued), pkix.Name{CommonName: name}
	c.NotBefore = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	c.NotAfter = c.NotBefore.AddDate(100, 0, 0)
	parent, signer := a.Cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(a.File(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

// File returns the path of a file that the authority has written.
func (a *Authority) File(name string) string { return filepath.Join(a.dir, name) }

// Pair returns the certificate NAME.pem with its key.
func (a *Authority) Pair(name string) tls.Certificate {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.File(name+".pem"), a.File(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// Pool returns a pool with the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// ClientTLS returns the settings of a client that trusts the authority and has its certificate.
func (a *Authority) ClientTLS() *tls.Config {
	return &tls.Config{
		RootCAs: a.Pool(), Certificates: []tls.Certificate{a.Pair("client")}, MinVersion: tls.VersionTLS12,
	}
}

// Variables returns the variables that make starters and workers such clients.
func (a *Authority) Variables() map[string]string {
	return map[string]string{
		"TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH": a.File("ca.pem"),
		"TEMPORAL_TLS_CLIENT_CERT_PATH": a.File("client.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH": a.File("client.key"),
	}
}
