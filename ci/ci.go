// Package ci knows what CI systems tell a job of itself: what is built, from which commit, for whom.
package ci

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Build is a job of a CI system, as its environment describes it.
type Build struct {
	System  string // "GitHub Actions", "GitLab CI", "Jenkins"
	Version string // label for what is built: the tag, or the build's number and its commit; "" if neither is known
	Source  slipway.Source
}

// Detect returns the build that env is the environment of, and whether it is one.
func Detect(env func(string) string) (Build, bool) {
	for _, detect := range []func(func(string) string) (Build, bool){github, gitlab, jenkins} {
		if b, ok := detect(env); ok {
			b.Source.Repository = slipway.WithoutCredentials(b.Source.Repository)
			return b, true
		}
	}
	return Build{}, false
}

func github(env func(string) string) (Build, bool) {
	if env("GITHUB_SHA") == "" {
		return Build{}, false
	}
	b := Build{System: "GitHub Actions", Source: slipway.Source{
		Commit: env("GITHUB_SHA"), Branch: cmp.Or(env("GITHUB_HEAD_REF"), env("GITHUB_REF_NAME")), Author: env("GITHUB_ACTOR"),
	}}
	if server, repository := env("GITHUB_SERVER_URL"), env("GITHUB_REPOSITORY"); server != "" && repository != "" {
		b.Source.Repository = server + "/" + repository
		if run := env("GITHUB_RUN_ID"); run != "" {
			b.Source.Build = b.Source.Repository + "/actions/runs/" + run
		}
	}
	tag := ""
	if env("GITHUB_REF_TYPE") == "tag" {
		tag = env("GITHUB_REF_NAME")
	}
	b.Version = version(tag, env("GITHUB_RUN_NUMBER"), b.Source.Commit)
	return b, true
}

func gitlab(env func(string) string) (Build, bool) {
	if env("CI_COMMIT_SHA") == "" {
		return Build{}, false
	}
	return Build{
		System: "GitLab CI", Version: version(env("CI_COMMIT_TAG"), env("CI_PIPELINE_IID"), env("CI_COMMIT_SHA")),
		Source: slipway.Source{
			Repository: env("CI_PROJECT_URL"), Commit: env("CI_COMMIT_SHA"),
			Branch: cmp.Or(env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"), env("CI_COMMIT_REF_NAME")),
			Author: cmp.Or(env("CI_COMMIT_AUTHOR"), env("GITLAB_USER_NAME")), Build: cmp.Or(env("CI_JOB_URL"), env("CI_PIPELINE_URL")),
		},
	}, true
}

func jenkins(env func(string) string) (Build, bool) {
	if env("GIT_COMMIT") == "" && env("JENKINS_URL") == "" {
		return Build{}, false
	}
	// BRANCH_NAME is a multibranch pipeline's, CHANGE_BRANCH that of its pull requests; GIT_BRANCH has the remote before it.
	branch := cmp.Or(env("CHANGE_BRANCH"), env("BRANCH_NAME"), strings.TrimPrefix(env("GIT_BRANCH"), "origin/"))
	return Build{
		System: "Jenkins", Version: version(env("TAG_NAME"), env("BUILD_NUMBER"), env("GIT_COMMIT")),
		Source: slipway.Source{
			Repository: cmp.Or(env("GIT_URL"), env("GIT_URL_1")), Commit: env("GIT_COMMIT"), Branch: branch,
			Author: cmp.Or(env("CHANGE_AUTHOR_DISPLAY_NAME"), env("CHANGE_AUTHOR"), env("GIT_AUTHOR_NAME")), Build: cmp.Or(env("BUILD_URL"), env("BUILD_TAG")),
		},
	}, true
}

var unfit = regexp.MustCompile(`[^0-9A-Za-z.+_-]+`)

// version returns a label that fits an image: the tag, or else a build's number with what its commit begins with.
func version(tag, number, commit string) string {
	label := tag
	if label == "" && number != "" {
		label = strings.TrimSuffix(number+"-"+commit[:min(len(commit), 12)], "-")
	}
	label = strings.TrimLeft(unfit.ReplaceAllString(label, "-"), ".+_-")
	label = label[:min(len(label), 128)]
	if slipway.ValidateVersion(label) != nil {
		return ""
	}
	return label
}
