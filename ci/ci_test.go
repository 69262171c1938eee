package ci

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

const sha = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want Build
	}{
		{"a shell", map[string]string{"USER": "ann", "HOME": "/home/ann"}, Build{}},
		{"another CI system", map[string]string{"CI": "true"}, Build{}},
		{
			"GitHub Actions, a push", map[string]string{
				"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_SHA": sha, "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch",
				"GITHUB_HEAD_REF": "", "GITHUB_ACTOR": "ann", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/hello",
				"GITHUB_RUN_ID": "289782451", "GITHUB_RUN_NUMBER": "42",
			}, Build{"GitHub Actions", "42-6113728f27ae", slipway.Source{
				Repository: "https://github.com/acme/hello", Commit: sha, Branch: "main", Author: "ann", Build: "https://github.com/acme/hello/actions/runs/289782451",
			}},
		},
		{
			"GitHub Actions, a pull request", map[string]string{"GITHUB_SHA": sha, "GITHUB_REF_NAME": "7/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_HEAD_REF": "feature/login", "GITHUB_RUN_NUMBER": "43"},
			Build{"GitHub Actions", "43-6113728f27ae", slipway.Source{Commit: sha, Branch: "feature/login"}},
		},
		{
			"GitHub Actions, a tag", map[string]string{"GITHUB_SHA": sha, "GITHUB_REF_NAME": "v1.2.0", "GITHUB_REF_TYPE": "tag", "GITHUB_RUN_NUMBER": "44"},
			Build{"GitHub Actions", "v1.2.0", slipway.Source{Commit: sha, Branch: "v1.2.0"}},
		},
		{
			"GitLab CI, a push", map[string]string{
				"GITLAB_CI": "true", "CI_COMMIT_SHA": sha, "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_BRANCH": "main", "CI_PIPELINE_IID": "31",
				"CI_PROJECT_URL": "https://gitlab.example.com/acme/hello", "CI_JOB_URL": "https://gitlab.example.com/acme/hello/-/jobs/9", "CI_COMMIT_AUTHOR": "Ann Example <ann@example.com>",
			}, Build{"GitLab CI", "31-6113728f27ae", slipway.Source{
				Repository: "https://gitlab.example.com/acme/hello", Commit: sha, Branch: "main", Author: "Ann Example <ann@example.com>",
				Build: "https://gitlab.example.com/acme/hello/-/jobs/9",
			}},
		},
		{
			"GitLab CI, a tag with a slash", map[string]string{"CI_COMMIT_SHA": sha, "CI_COMMIT_TAG": "release/1.2", "CI_COMMIT_REF_NAME": "release/1.2", "CI_PIPELINE_IID": "32"},
			Build{"GitLab CI", "release-1.2", slipway.Source{Commit: sha, Branch: "release/1.2"}},
		},
		{
			"GitLab CI, a merge request", map[string]string{"CI_COMMIT_SHA": sha, "CI_COMMIT_REF_NAME": "refs/merge-requests/1/head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature", "GITLAB_USER_NAME": "Ann"},
			Build{"GitLab CI", "", slipway.Source{Commit: sha, Branch: "feature", Author: "Ann"}},
		},
		{
			"GitLab CI, a repository with a token", map[string]string{"CI_COMMIT_SHA": sha, "CI_PROJECT_URL": "https://gitlab-ci-token:s3cret@gitlab.example.com/acme/hello"},
			Build{"GitLab CI", "", slipway.Source{Commit: sha, Repository: "https://gitlab.example.com/acme/hello"}},
		},
		{
			"Jenkins, freestyle", map[string]string{
				"JENKINS_URL": "https://ci.example.com/", "GIT_COMMIT": sha, "GIT_BRANCH": "origin/main", "GIT_URL": "git@example.com:acme/hello.git", "BUILD_NUMBER": "17",
				"BUILD_URL": "https://ci.example.com/job/hello/17/", "BUILD_TAG": "jenkins-hello-17",
			}, Build{"Jenkins", "17-6113728f27ae", slipway.Source{
				Repository: "git@example.com:acme/hello.git", Commit: sha, Branch: "main", Build: "https://ci.example.com/job/hello/17/",
			}},
		},
		{
			"Jenkins, a multibranch pipeline's pull request", map[string]string{
				"GIT_COMMIT": sha, "GIT_BRANCH": "PR-7", "BRANCH_NAME": "PR-7", "CHANGE_BRANCH": "feature/login", "CHANGE_AUTHOR_DISPLAY_NAME": "Ann Example", "BUILD_NUMBER": "2",
			}, Build{"Jenkins", "2-6113728f27ae", slipway.Source{Commit: sha, Branch: "feature/login", Author: "Ann Example"}},
		},
		{
			"Jenkins, a tag", map[string]string{"GIT_COMMIT": sha, "BRANCH_NAME": "v1.2.0", "TAG_NAME": "v1.2.0", "BUILD_NUMBER": "1"},
			Build{"Jenkins", "v1.2.0", slipway.Source{Commit: sha, Branch: "v1.2.0"}},
		},
		{"Jenkins without git", map[string]string{"JENKINS_URL": "https://ci.example.com/", "BUILD_NUMBER": "5", "BUILD_TAG": "jenkins-x-5"},
			Build{"Jenkins", "5", slipway.Source{Build: "jenkins-x-5"}}},
		{"a tag that cannot be a label", map[string]string{"GITHUB_SHA": sha, "GITHUB_REF_NAME": "latest", "GITHUB_REF_TYPE": "tag"},
			Build{"GitHub Actions", "", slipway.Source{Commit: sha, Branch: "latest"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Detect(func(name string) string { return c.env[name] })
			if diff := cmp.Diff(c.want, got); diff != "" || ok != (c.want.System != "") {
				t.Errorf("%v, -want +got:\n%s", ok, diff)
			}
		})
	}
}
