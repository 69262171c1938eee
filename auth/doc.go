// Package auth decides who asks and what that one may do: tokens and their secrets, sessions of browsers, jobs of CI systems, the roles that
// were given, and the rules that forbid what roles allow. It knows no HTTP; signed tokens are verified, and rules evaluated, by adapters.
//
// What nobody was given is forbidden. What cannot be decided is forbidden as well.
package auth
