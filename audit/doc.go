// Package audit makes and verifies the chain of the audit log, and the checkpoints that fix where it was. A line of the log is a JSON
// object; its last member is the hash of all before it in the line, and among that is the hash of the line before. So a line that was
// altered, removed, added or moved is noticed by whoever has the lines: no server, no key. What was cut off at the end is noticed by
// whoever has a checkpoint of a later time.
package audit
