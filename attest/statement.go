package attest

import (
	"encoding/json"

	"github.com/slipway-sh/slipway"
)

const statementType = "https://in-toto.io/Statement/v1"

// statement is an in-toto statement, version 1: a predicate about the image that is its only subject.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []resource      `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// resource is in-toto's ResourceDescriptor.
type resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	Annotations map[string]any    `json:"annotations,omitempty"`
}

func sha256Of(d slipway.Digest) map[string]string {
	if d == "" {
		return nil
	}
	return map[string]string{"sha256": d.Hex()}
}

// kind is one of the statements that every image has.
type kind struct {
	name          slipway.StatementKind
	what          string // for people
	artifactType  string // of the document, as in-toto's specification of envelopes forms it
	predicateType string
}

var kinds = []kind{
	{slipway.StatementProvenance, "provenance", "application/vnd.in-toto.provenance+dsse", "https://slsa.dev/provenance/v1"},
	{slipway.StatementTests, "test report", "application/vnd.in-toto.test-result+dsse", "https://in-toto.io/attestation/test-result/v0.1"},
	{slipway.StatementSBOM, "bill of materials", "application/vnd.in-toto.cyclonedx+dsse", "https://cyclonedx.org/bom"},
}

func kindOf(name slipway.StatementKind) (kind, error) {
	for _, k := range kinds {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, slipway.Errorf(slipway.NotFound, "cannot show %q of an image: want provenance, tests or sbom", name)
}

// annotationPredicate tells who looks at the list of an image's documents what each says; the name is in-toto's.
const annotationPredicate = "in-toto.io/predicate-type"

// document seals a predicate about the image.
func (k kind) document(key *Key, image slipway.Image, predicate any) (slipway.Document, error) {
	text, err := encode(predicate)
	if err != nil {
		return slipway.Document{}, err
	}
	body, err := seal(key, statement{
		Type:          statementType,
		Subject:       []resource{{Name: image.Application, Digest: sha256Of(image.Digest)}},
		PredicateType: k.predicateType,
		Predicate:     text,
	})
	return slipway.Document{Type: k.artifactType, Body: body, Annotations: map[string]string{annotationPredicate: k.predicateType}}, err
}

// read returns the predicate of a statement of this kind about the image.
func (k kind) read(payload []byte, image slipway.Digest) (json.RawMessage, error) {
	var s statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, slipway.Errorf(slipway.Refused, "is no statement: %w", err)
	}
	switch {
	case s.Type != statementType || s.PredicateType != k.predicateType:
		return nil, slipway.Errorf(slipway.Refused, "is a statement of another kind: %.80q", s.PredicateType)
	case len(s.Subject) != 1 || s.Subject[0].Digest["sha256"] == "":
		return nil, slipway.Errorf(slipway.Refused, "is not about one image")
	case s.Subject[0].Digest["sha256"] != image.Hex():
		return nil, slipway.Errorf(slipway.Refused, "is about another image, %.12q", s.Subject[0].Digest["sha256"])
	}
	return s.Predicate, nil
}
