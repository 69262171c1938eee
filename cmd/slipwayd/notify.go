package main

import (
	"os"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/notify"
	"github.com/slipway-sh/slipway/outbound"
	"github.com/slipway-sh/slipway/smtp"
)

// notifiers returns what brings notifications to people and programs, by the kind of their destinations. Chat adds its own.
func (o *options) notifiers(world *outbound.Guard) (map[string]slipway.Notifier, error) {
	all := map[string]slipway.Notifier{slipway.NotifyWebhook: notify.Webhook{Client: world.Client(), Version: o.version}}
	if o.smtp == "" {
		if o.smtpPassword != "" || o.mailFrom != "" {
			return nil, slipway.Errorf(slipway.Invalid, "cannot send mail without a server: add --smtp")
		}
		return all, nil
	}
	password := ""
	if o.smtpPassword != "" {
		b, err := os.ReadFile(o.smtpPassword)
		if err != nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot read --smtp-password-file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	mailer, err := smtp.New(smtp.Config{Server: o.smtp, Password: password, From: o.mailFrom, Version: o.version})
	if err != nil {
		return nil, err
	}
	all[slipway.NotifyEmail] = mailer
	return all, nil
}
