package config_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"log/slog"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/config"
	"github.com/slipway-sh/slipway/memstore"
	"github.com/slipway-sh/slipway/sqlstore"
)

var prod = slipway.Cluster{Application: "shop", Environment: "prod"}

type fixture struct {
	*config.Keeper
	store *sqlstore.Store
	key   string
}

func open(t *testing.T) fixture {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	f := fixture{store: store, key: filepath.Join(t.TempDir(), "keys", "config.key")}
	f.Keeper = &config.Keeper{
		Launcher: config.Launcher{Store: store, Vault: vault(t, f.key)}, Records: store, Bus: new(memstore.Bus), Log: slog.New(slog.DiscardHandler),
	}
	return f
}

func vault(t *testing.T, path string) *config.Vault {
	t.Helper()
	v, err := config.OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func set(pairs ...string) slipway.ConfigChange {
	c := slipway.ConfigChange{Cluster: prod, By: "ann"}
	for i := 0; i < len(pairs); i += 2 {
		c.Set = append(c.Set, slipway.ConfigSetting{Key: pairs[i], Value: pairs[i+1]})
	}
	return c
}

func secret(key, value string) slipway.ConfigChange {
	return slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: key, Value: value, Type: slipway.ConfigSecret}}}
}

func (f fixture) change(t *testing.T, c slipway.ConfigChange) slipway.ConfigOutcome {
	t.Helper()
	out, err := f.ChangeConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// values returns what machines are given: "KEY=value KEY@file=value".
func (f fixture) values(t *testing.T, number int) string {
	t.Helper()
	all, err := f.LaunchValues(t.Context(), prod, number)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, v := range all {
		key := v.Key
		if v.Deliver == slipway.DeliverFile {
			key += "@file"
		}
		words = append(words, key+"="+v.Value)
	}
	return strings.Join(words, " ")
}

func TestVersions(t *testing.T) {
	f := open(t)
	for _, step := range []struct {
		change slipway.ConfigChange
		number int
		made   bool
		values string
	}{
		{set("B", "2", "A", "1"), 1, true, "A=1 B=2"},
		{set("A", "1"), 1, false, "A=1 B=2"},
		{secret("S", "one"), 2, true, "A=1 B=2 S@file=one"},
		{secret("S", "one"), 2, false, "A=1 B=2 S@file=one"},
		{set("S", "two"), 3, true, "A=1 B=2 S@file=two"}, // it is a secret until somebody says otherwise
		{slipway.ConfigChange{Cluster: prod, Unset: []string{"A"}}, 4, true, "B=2 S@file=two"},
		{slipway.ConfigChange{Cluster: prod, Back: 2}, 5, true, "A=1 B=2 S@file=one"},
		{slipway.ConfigChange{Cluster: prod, Back: 2}, 5, false, "A=1 B=2 S@file=one"},
		{slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: "S", Value: "plain", Type: slipway.ConfigString}}}, 6, true, "A=1 B=2 S=plain"},
		{slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: "B", Value: "2", Deliver: slipway.DeliverFile}}}, 7, true, "A=1 B@file=2 S=plain"},
	} {
		out := f.change(t, step.change)
		if out.Version.Number != step.number || out.Made != step.made {
			t.Errorf("%+v: version %d, made %v; want %d, %v", step.change, out.Version.Number, out.Made, step.number, step.made)
		}
		if got := f.values(t, step.number); got != step.values {
			t.Errorf("version %d: %s, want %s", step.number, got, step.values)
		}
	}
	// What was is as it was.
	if got := f.values(t, 2); got != "A=1 B=2 S@file=one" {
		t.Errorf("version 2 has become %s", got)
	}
	if got := f.values(t, 0); got != "" {
		t.Errorf("version 0 has %s", got)
	}
}

func TestRefused(t *testing.T) {
	f := open(t)
	f.change(t, set("A", "1", "FILE", "x"))
	two := 2
	for name, c := range map[string]struct {
		change slipway.ConfigChange
		want   slipway.Code
	}{
		"another version is the newest": {slipway.ConfigChange{Cluster: prod, IfNewest: &two, Unset: []string{"A"}}, slipway.Conflict},
		"no such version":               {slipway.ConfigChange{Cluster: prod, Back: 9}, slipway.NotFound},
		"no such key":                   {slipway.ConfigChange{Cluster: prod, Unset: []string{"Z"}}, slipway.NotFound},
		"a key twice":                   {set("A", "1", "A", "2"), slipway.Invalid},
		"set and unset":                 {slipway.ConfigChange{Cluster: prod, Set: set("A", "2").Set, Unset: []string{"A"}}, slipway.Invalid},
		"slipwayd's own":                {set("SLIPWAY_X", "1"), slipway.Invalid},
		"a name that is none":           {set("a b", "1"), slipway.Invalid},
		"a zero byte":                   {set("A", "\x00"), slipway.Invalid},
		"no UTF-8":                      {set("A", "\xff"), slipway.Invalid},
		"too long":                      {set("A", strings.Repeat("x", slipway.MaxConfigValue+1)), slipway.Invalid},
		"an empty secret":               {secret("A", ""), slipway.Invalid},
		"no such type":                  {slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: "A", Type: "float"}}}, slipway.Invalid},
		"no such delivery":              {slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{{Key: "A", Deliver: "mail"}}}, slipway.Invalid},
		"the name of a secret's file": {slipway.ConfigChange{Cluster: prod, Set: []slipway.ConfigSetting{
			{Key: "S", Value: "x", Type: slipway.ConfigSecret}, {Key: "S_FILE", Value: "/x"}}}, slipway.Invalid},
		"no application": {slipway.ConfigChange{Cluster: slipway.Cluster{Environment: "prod"}}, slipway.Invalid},
		"forced for no reason": {slipway.ConfigChange{Cluster: prod, Set: set("A", "3").Set, Deploy: true,
			Options: slipway.DeployOptions{Force: true}}, slipway.Invalid},
	} {
		if _, err := f.ChangeConfig(t.Context(), c.change); slipway.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	var many slipway.ConfigChange
	many.Cluster = prod
	for i := range slipway.MaxConfigEntries {
		many.Set = append(many.Set, slipway.ConfigSetting{Key: fmt.Sprint("K", i), Value: "x"})
	}
	if _, err := f.ChangeConfig(t.Context(), many); slipway.CodeOf(err) != slipway.Invalid { // A and FILE are there already
		t.Errorf("too many keys: %v", err)
	}
	if v, err := f.Config(t.Context(), prod, 0); err != nil || v.Number != 1 {
		t.Errorf("something was changed: %+v, %v", v, err)
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		typ         slipway.ConfigType
		value, want string
		ok          bool
	}{
		{slipway.ConfigInt, " 8\n", "8", true}, {slipway.ConfigInt, "8.5", "", false}, {slipway.ConfigInt, "", "", false},
		{slipway.ConfigBool, "true", "true", true}, {slipway.ConfigBool, "yes", "", false},
		{slipway.ConfigDuration, "1m30s", "1m30s", true}, {slipway.ConfigDuration, "90", "", false},
		{slipway.ConfigJSON, `{"a": [1]}`, `{"a": [1]}`, true}, {slipway.ConfigJSON, "{", "", false},
		{slipway.ConfigString, " as it is\n", " as it is\n", true}, {"", "as it is", "as it is", true},
		{slipway.ConfigSecret, "é\n", "é\n", true},
	} {
		got, err := c.typ.Canonical("KEY", c.value)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s %q: %q, %v", c.typ, c.value, got, err)
		}
		if err != nil && c.value != "" && strings.Contains(err.Error(), c.value) {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

func TestTwentyAtOnce(t *testing.T) {
	f := open(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := f.ChangeConfig(t.Context(), set(fmt.Sprint("K", i), "x")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v, err := f.Config(t.Context(), prod, 0)
	if err != nil || v.Number != 20 || len(v.Entries) != 20 {
		t.Errorf("version %d with %d keys, %v", v.Number, len(v.Entries), err)
	}
}

func TestSecretsAreNowhere(t *testing.T) {
	f := open(t)
	const value = "correct horse"
	first := f.change(t, secret("S", value)).Version
	other := f.change(t, secret("S", "battery staple")).Version
	again := f.change(t, secret("S", value)).Version
	if first.Entry("S").Fingerprint == other.Entry("S").Fingerprint || other.Entry("S").Fingerprint == again.Entry("S").Fingerprint {
		t.Error("another value has the same fingerprint")
	}
	events, err := f.store.Events(t.Context(), slipway.EventFilter{}, 0)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	all, err := f.LaunchValues(t.Context(), prod, 1)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v %v %#v %s %+v %+v", all, all[0], all[0], all[0], first, events); strings.Contains(text, value) {
		t.Errorf("it is in %s", text)
	}
	sealed, err := f.store.SealedConfig(t.Context(), prod, 1)
	if err != nil || bytes.Contains(sealed, []byte(value)) || len(sealed) == 0 {
		t.Errorf("sealed: %q, %v", sealed, err)
	}
	info, err := os.Stat(f.key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
}

func TestKey(t *testing.T) {
	f := open(t)
	f.change(t, secret("S", "one"))
	f.change(t, set("A", "1"))
	with := func(v *config.Vault) fixture {
		g := f
		g.Keeper = &config.Keeper{Launcher: config.Launcher{Store: f.store, Vault: v}, Records: f.store, Bus: new(memstore.Bus), Log: f.Log}
		return g
	}
	if got := with(vault(t, f.key)).values(t, 2); got != "A=1 S@file=one" {
		t.Errorf("after a restart: %s", got)
	}
	// One that is missing is not made anew, as its absence would be noticed too late.
	missing := with(vault(t, filepath.Join(t.TempDir(), "none")))
	if _, err := missing.LaunchValues(t.Context(), prod, 1); slipway.CodeOf(err) != slipway.Unprepared {
		t.Errorf("launching: %v", err)
	}
	if _, err := missing.ChangeConfig(t.Context(), secret("T", "x")); slipway.CodeOf(err) != slipway.Unprepared {
		t.Errorf("changing: %v", err)
	}
	b, err := os.ReadFile(f.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    slipway.Code
	}{
		"others can read it": {string(b), 0o640, slipway.Unprepared},
		"cut off":            {string(b[:len(b)-20]), 0o600, slipway.Corrupt},
		"empty":              {"", 0o600, slipway.Corrupt},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := config.OpenVault(path); slipway.CodeOf(err) != c.want || strings.Contains(fmt.Sprint(err), "AGE-SECRET") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// flaky fails at the n-th write.
type flaky struct {
	slipway.ConfigStore
	left int
}

func (f *flaky) ResealConfig(ctx context.Context, cluster slipway.Cluster, number int, sealed []byte) error {
	if f.left--; f.left < 0 {
		return slipway.Errorf(slipway.Unprepared, "the disk is full")
	}
	return f.ConfigStore.ResealConfig(ctx, cluster, number, sealed)
}

func TestRotationCutOffAnywhere(t *testing.T) {
	f := open(t)
	for _, value := range []string{"one", "two", "three"} {
		f.change(t, secret("S", value))
	}
	f.change(t, slipway.ConfigChange{Cluster: prod, Unset: []string{"S"}}) // a version without
	before := f.Vault.Recipient()
	for n := range 3 {
		if _, err := config.Rotate(t.Context(), vault(t, f.key), &flaky{f.store, n}); err == nil {
			t.Fatal("it was not cut off")
		}
		for number, want := range []string{"S@file=one", "S@file=two", "S@file=three", ""} {
			g := f
			g.Keeper = &config.Keeper{Launcher: config.Launcher{Store: f.store, Vault: vault(t, f.key)}}
			if got := g.values(t, number+1); got != want {
				t.Errorf("cut off after %d, version %d: %q, want %q", n, number+1, got, want)
			}
		}
	}
	v := vault(t, f.key)
	if n, err := config.Rotate(t.Context(), v, f.store); n != 3 || err != nil {
		t.Fatalf("%d versions, %v", n, err)
	}
	b, err := os.ReadFile(f.key)
	if err != nil || bytes.Count(b, []byte("\nAGE-SECRET-KEY-")) != 1 || v.Recipient() == before {
		t.Errorf("the old key is still there, or no new one: %v", err)
	}
	if _, err := f.LaunchValues(t.Context(), prod, 1); slipway.CodeOf(err) != slipway.Unprepared { // f's vault has the old key
		t.Errorf("the old key still opens what is sealed: %v", err)
	}
}

func TestDiff(t *testing.T) {
	f := open(t)
	f.change(t, set("A", "1", "B", "1", "C", "1"))
	f.change(t, slipway.ConfigChange{Cluster: prod, Set: set("B", "2", "D", "1").Set, Unset: []string{"A"}})
	one, _ := f.Config(t.Context(), prod, 1)
	two, _ := f.Config(t.Context(), prod, 2)
	var got []string
	for _, c := range one.Diff(two).Changes {
		got = append(got, c.Key+" "+string(c.Kind))
	}
	if text := strings.Join(got, ", "); text != "A removed, B changed, D added" {
		t.Error(text)
	}
	if text := strings.Join(two.Set, " ") + "; " + strings.Join(two.Unset, " "); text != "B D; A" {
		t.Errorf("version 2 says of itself: %s", text)
	}
}
