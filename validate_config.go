package slipway

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of service configuration. A machine's environment has room for more, but not for much more.
const (
	MaxConfigEntries = 500
	MaxConfigValue   = 64 << 10  // bytes of one value
	MaxConfig        = 512 << 10 // bytes of all keys and values of a version
)

// reservedConfig are names that slipwayd itself sets in every machine.
const reservedConfig = "SLIPWAY_"

// ValidateConfigKey returns an Invalid error unless key can be a key of service configuration: a name of an environment variable, of at most
// 128 letters, that slipwayd does not use itself.
func ValidateConfigKey(key string) error {
	switch {
	case !envForm.MatchString(key) || len(key) > 128:
		return Errorf(Invalid, "cannot configure %.140q: want a name of up to 128 letters, digits and underscores, no digit first", key)
	case strings.HasPrefix(key, reservedConfig):
		return Errorf(Invalid, "cannot configure %s: names that start with %s are slipwayd's own", key, reservedConfig)
	}
	return nil
}

// Validate returns nil, or every mistake in c as Invalid errors joined into one. No error has anything of a value in it.
func (c ConfigChange) Validate() error {
	var p problems
	p.cluster(c.Cluster)
	if c.Back < 0 {
		p.add("back", "cannot go back to version %d: versions count from 1", c.Back)
	}
	seen := map[string]bool{}
	for i, s := range c.Set {
		place := index("set", i)
		if err := ValidateConfigKey(s.Key); err != nil {
			p.check(place+".key", err)
			continue
		}
		if seen[s.Key] {
			p.add(place+".key", "cannot set %s twice in one change", s.Key)
		}
		seen[s.Key] = true
		if s.Type != "" && !slices.Contains(ConfigTypes, s.Type) {
			p.add(place+".type", "cannot use %q as type of %s: want string, int, bool, duration, json or secret", s.Type, s.Key)
			continue
		}
		if s.Deliver != "" && s.Deliver != DeliverEnv && s.Deliver != DeliverFile {
			p.add(place+".deliver", "cannot deliver %s by %q: want env or file", s.Key, s.Deliver)
		}
		if _, err := s.Type.Canonical(s.Key, s.Value); err != nil {
			p.check(place+".value", err)
		}
	}
	p.conflict("options.on_conflict", c.Options.OnConflict)
	p.urgent("reason", cmp.Or(c.Options.Reason, c.Reason), c.Options.Hotfix, c.Options.Override, c.Options.Force)
	for i, key := range c.Unset {
		if seen[key] {
			p.add(index("unset", i), "cannot set and unset %s in one change", key)
		}
		p.check(index("unset", i), ValidateConfigKey(key))
	}
	return p.err()
}

// Canonical returns the value of a key in the form in which it is stored, or an Invalid error if it is none of the type. The empty type
// takes any text.
func (t ConfigType) Canonical(key, value string) (string, error) {
	switch {
	case len(value) > MaxConfigValue:
		return "", Errorf(Invalid, "cannot use the value of %s: it has %d bytes, more than %d", key, len(value), MaxConfigValue)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return "", Errorf(Invalid, "cannot use the value of %s: it is not text in UTF-8 without zero bytes; base64 would be", key)
	case t == ConfigSecret && value == "":
		return "", Errorf(Invalid, "cannot use the secret %s: it is empty", key)
	}
	var err error
	switch text := strings.TrimSpace(value); t {
	case ConfigInt:
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		value = strconv.FormatInt(n, 10)
	case ConfigBool:
		if text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
		value = text
	case ConfigDuration:
		_, err = time.ParseDuration(text)
		value = text
	case ConfigJSON:
		if !json.Valid([]byte(value)) {
			err = strconv.ErrSyntax
		}
	}
	if err != nil {
		return "", Errorf(Invalid, "cannot use the value of %s: want %s", key, wanted[t])
	}
	return value, nil
}

// wanted says what the values of a type look like. Errors do not show the value: it may be a secret whose type was forgotten.
var wanted = map[ConfigType]string{
	ConfigInt: "a whole number", ConfigBool: "true or false", ConfigDuration: "a duration such as 1m30s", ConfigJSON: "JSON",
}

// Check returns an Invalid error if the version is too big as a whole, or if two of its keys want the same environment variable.
func (v ConfigVersion) Check(size int) error {
	if len(v.Entries) > MaxConfigEntries {
		return Errorf(Invalid, "cannot configure %d keys: want at most %d", len(v.Entries), MaxConfigEntries)
	}
	if size > MaxConfig {
		return Errorf(Invalid, "cannot configure so much: all keys and values together have %d bytes, more than %d; big files belong into the image", size, MaxConfig)
	}
	for _, e := range v.Entries {
		if e.Deliver == DeliverFile && v.Entry(e.Key+"_FILE") != nil {
			return Errorf(Invalid, "cannot configure %s_FILE: it names the file of %s", e.Key, e.Key)
		}
	}
	return nil
}
