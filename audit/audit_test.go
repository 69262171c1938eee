package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// chain returns n entries of a log, as lines.
func chain(t testing.TB, n int) []string {
	t.Helper()
	var head slipway.AuditHead
	var lines []string
	for i := range n {
		phase, asked := slipway.AuditAsked, int64(0)
		if i%2 == 1 {
			phase, asked = slipway.AuditDone, int64(i)
		}
		e, line, err := Seal(head, slipway.AuditEntry{
			Time: time.Unix(int64(i), 5).UTC(), Phase: phase, Asked: asked, Action: "deploy", By: slipway.Principal{Name: "ann <ann@example.com> & co \u2028"},
			Input: json.RawMessage("{ \"a\" : [1.0, 1e3, \"\\u00e9\"] }"), Message: `ends with ","hash":"` + strings.Repeat("0", 64) + `"}`,
		})
		if err != nil {
			t.Fatal(err)
		}
		head = slipway.AuditHead{Seq: e.Seq, Hash: e.Hash}
		lines = append(lines, line)
	}
	return lines
}

func verify(lines []string, checkpoints ...Checkpoint) (Summary, error) {
	return Verify(strings.NewReader(strings.Join(lines, "\n")+"\n"), checkpoints...)
}

func TestVerify(t *testing.T) {
	good := chain(t, 6)
	other := chain(t, 7)
	edit := func(change func([]string) []string) []string { return change(slices.Clone(good)) }
	for name, c := range map[string]struct {
		lines []string
		want  string // "" is good
	}{
		"as it was":                   {good, ""},
		"none":                        {nil, ""},
		"a part of it":                {good[2:5], ""},
		"an empty line":               {edit(func(l []string) []string { return slices.Insert(l, 3, "") }), ""},
		"one is missing":              {edit(func(l []string) []string { return slices.Delete(l, 2, 3) }), "line 3: entry 3 is missing between entry 2 and entry 4"},
		"two are missing":             {edit(func(l []string) []string { return slices.Delete(l, 2, 4) }), "line 3: entries 3 to 4 are missing"},
		"two changed place":           {edit(func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }), "line 3: entry 3 is missing"},
		"one comes twice":             {edit(func(l []string) []string { return slices.Insert(l, 3, l[2]) }), "line 4: entry 3 comes after entry 3"},
		"one was altered":             {edit(func(l []string) []string { l[2] = strings.Replace(l[2], "deploy", "lift", 1); return l }), "line 3: entry 3 was altered"},
		"a hash was altered":          {edit(func(l []string) []string { l[2] = l[2][:len(l[2])-4] + "00\"}"; return l }), "line 3: "},
		"one of another log":          {edit(func(l []string) []string { l[2] = reseal(t, l[2], "lift"); return l }), "line 4: entry 4 does not follow from entry 3"},
		"no JSON":                     {edit(func(l []string) []string { l[2] = "nonsense"; return l }), "line 3: is no entry of the audit log"},
		"cut in the middle":           {edit(func(l []string) []string { l[5] = l[5][:40]; return l }), "line 6: is no entry"},
		"with a carriage return":      {edit(func(l []string) []string { l[2] += "\r"; return l }), "line 3: is no entry"},
		"a first that had one before": {[]string{strings.Replace(good[0], Origin, strings.Repeat("1", 64), 1)}, "line 1: entry 1 was altered"},
		"longer than known":           {other, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sum, err := verify(c.lines)
			if c.want == "" && err != nil || c.want != "" && (slipway.CodeOf(err) != slipway.Corrupt || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.want == "" && int(sum.Entries) > len(c.lines) {
				t.Errorf("%+v", sum)
			}
		})
	}
	if sum, err := verify(good[:5]); err != nil || sum.First != 1 || sum.Last != 5 || !slices.Equal(sum.Open, []int64{5}) {
		t.Errorf("%+v, %v", sum, err)
	}
}

// reseal alters a line and gives it a hash that fits, as somebody might who knows how.
func reseal(t *testing.T, line, action string) string {
	t.Helper()
	e, err := Open(line)
	if err != nil {
		t.Fatal(err)
	}
	e.Action = action
	_, altered, err := Seal(slipway.AuditHead{Seq: e.Seq - 1, Hash: e.Previous}, e)
	if err != nil {
		t.Fatal(err)
	}
	return altered
}

func TestCheckpoints(t *testing.T) {
	lines := chain(t, 6)
	at := func(n int) Checkpoint {
		e, err := Open(lines[n-1])
		if err != nil {
			t.Fatal(err)
		}
		return Checkpoint{Seq: e.Seq, Hash: e.Hash}
	}
	for name, c := range map[string]struct {
		lines []string
		point Checkpoint
		code  slipway.Code
		want  string
	}{
		"at the end":              {lines, at(6), "", ""},
		"in the middle":           {lines, at(3), "", ""},
		"of an empty log":         {lines, Checkpoint{Hash: Origin}, "", ""},
		"before a part":           {lines[3:], at(3), "", ""},
		"long before a part":      {lines[3:], at(2), slipway.Invalid, "begins with entry 4"},
		"the end is gone":         {lines[:4], at(6), slipway.Corrupt, "the log ends with entry 4"},
		"all is gone":             {nil, at(6), slipway.Corrupt, "the log ends with entry 0"},
		"all was written anew":    {lines, Checkpoint{Seq: 3, Hash: strings.Repeat("a", 64)}, slipway.Corrupt, "entry 3 is not the one of the checkpoint"},
		"what was before is anew": {lines[3:], Checkpoint{Seq: 3, Hash: strings.Repeat("a", 64)}, slipway.Corrupt, "entry 3 is not the one"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(c.lines, c.point)
			if slipway.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want code %q and %q", err, c.code, c.want)
			}
		})
	}
}

// key is a [Signer].
type key struct{ private ed25519.PrivateKey }

func newKey(n byte) key { return key{ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, 32))} }

func (k key) der() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		panic(err)
	}
	return der
}

func (k key) ID() string                 { sum := sha256.Sum256(k.der()); return hex.EncodeToString(sum[:]) }
func (k key) Sign(message []byte) []byte { return ed25519.Sign(k.private, message) }
func (k key) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der()}))
}

func TestSignedCheckpoints(t *testing.T) {
	own, other := newKey(1), newKey(2)
	want := Checkpoint{Seq: 7, Hash: strings.Repeat("ab", 32), Time: time.Unix(9, 0).UTC()}
	text, err := Sign(want, own)
	if err != nil {
		t.Fatal(err)
	}
	got, by, err := ReadCheckpoint(text, []string{other.pem(), own.pem()})
	if err != nil || got != want || by != own.ID() {
		t.Errorf("%+v, %s, %v", got, by, err)
	}
	longer, _ := Sign(Checkpoint{Seq: 8, Hash: want.Hash, Time: want.Time}, other)
	var mixed, altered envelope
	_ = json.Unmarshal(text, &mixed)
	_ = json.Unmarshal(longer, &altered)
	mixed.Payload = altered.Payload
	forged, _ := json.Marshal(mixed)
	for name, c := range map[string]struct {
		text []byte
		keys []string
		code slipway.Code
	}{
		"by another key":          {text, []string{other.pem()}, slipway.Refused},
		"no keys":                 {text, nil, slipway.Refused},
		"another's content":       {forged, []string{own.pem()}, slipway.Refused},
		"no envelope":             {[]byte("nonsense"), []string{own.pem()}, slipway.Invalid},
		"a statement of an image": {[]byte(strings.Replace(string(text), CheckpointType, "application/vnd.in-toto+json", 1)), []string{own.pem()}, slipway.Invalid},
		"no key":                  {text, []string{"nonsense"}, slipway.Invalid},
	} {
		if _, _, err := ReadCheckpoint(c.text, c.keys); slipway.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestDocuments(t *testing.T) {
	if d := Document(nil); d != nil {
		t.Errorf("nothing is %s", d)
	}
	if d := Document(map[string]any{"password": "hunter2", "a": 1}); string(d) != `{"a":1,"password":"[redacted]"}` {
		t.Errorf("%s", d)
	}
	var list []string
	for i := range 3000 {
		list = append(list, fmt.Sprint("item ", i))
	}
	if d := Document(map[string]any{"list": list}); len(d) > maxDocument || !strings.Contains(string(d), "… 2980 more") {
		t.Errorf("a long list: %s", d)
	}
	wide := map[string]any{}
	for i := range 3000 {
		wide[fmt.Sprint("name", i)] = strings.Repeat("x", 500)
	}
	if d := Document(wide); len(d) > 200 || !strings.Contains(string(d), "sha256:") {
		t.Errorf("what stays long: %.300s", d)
	}
}

func TestChanges(t *testing.T) {
	before := Tree(map[string]any{"same": 1, "state": "running", "gone": true, "list": []any{"a", "b"}, "deep": map[string]any{"x": 1.5}})
	after := Tree(map[string]any{"same": 1, "state": "done", "new": "yes", "list": []any{"a", "c", "d"}, "deep": map[string]any{"x": 2.5}})
	var got []string
	for _, c := range Changes(before, after) {
		got = append(got, fmt.Sprintf("%s: %s -> %s", c.Path, c.Before, c.After))
	}
	want := []string{"deep.x: 1.5 -> 2.5", "gone: true -> ", "list[1]: \"b\" -> \"c\"", "list[2]:  -> \"d\"", "new:  -> \"yes\"", "state: \"running\" -> \"done\""}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if Changes(nil, after) != nil || Changes(before, nil) != nil || Changes(before, before) != nil {
		t.Error("changes of nothing")
	}
}

// FuzzVerify gives the verifier lines of others. Whatever they are: it ends, and takes for good only what has the hashes.
func FuzzVerify(f *testing.F) {
	lines := chain(f, 3)
	f.Add(strings.Join(lines, "\n"))
	f.Add(lines[1])
	f.Add(`{"seq":1,"hash":"` + Origin + `"}`)
	f.Add(",\"hash\":\"" + Origin + "\"}")
	f.Add("\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := Verify(strings.NewReader(text))
		if err != nil && slipway.CodeOf(err) != slipway.Corrupt {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && sum.Entries > 0 && sum.Last-sum.First+1 != sum.Entries {
			t.Fatalf("%q: %+v", text, sum)
		}
	})
}

// FuzzCheckpoint gives the reader of checkpoints files of others. Without the key none is taken for good.
func FuzzCheckpoint(f *testing.F) {
	own := newKey(1)
	text, err := Sign(Checkpoint{Seq: 1, Hash: Origin}, newKey(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, _, err := ReadCheckpoint(text, []string{own.pem()}); err == nil {
			t.Fatalf("%q is %+v, and nobody signed it", text, c)
		}
	})
}
