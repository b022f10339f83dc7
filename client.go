package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"deadpixel/ui"
)

// Where `pause` and `resume` find the page's password, or a token, which wins; a command
// line is seen by everyone on the machine.
const (
	passwordVariable = "DEADPIXEL_PASSWORD"
	tokenVariable    = "DEADPIXEL_TOKEN"
)

// clientTimeout bounds one call to the running server.
const clientTimeout = 10 * time.Second

func pauseCommand(f *flags) *cobra.Command {
	var target pauseTarget
	web := ""
	c := &cobra.Command{
		Use:   "pause [DURATION]",
		Short: "Let everything through for DURATION (like 5m), or until `deadpixel resume`",
		Args:  usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			body := target.body()
			if len(args) == 1 {
				if d, err := time.ParseDuration(args[0]); err != nil || d <= 0 {
					return errUsage{fmt.Errorf("%q is no duration: write it like 5m or 1h30m", args[0])}
				}
				body["duration"] = args[0]
			}
			return change(c, f, web, "pause", target, body)
		},
	}
	clientFlags(c, &target, &web)
	return c
}

func resumeCommand(f *flags) *cobra.Command {
	var target pauseTarget
	web := ""
	c := &cobra.Command{
		Use:   "resume",
		Short: "Block again after a pause",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return change(c, f, web, "resume", target, target.body())
		},
	}
	clientFlags(c, &target, &web)
	return c
}

// pauseTarget is whose blocking is switched: everybody's with neither.
type pauseTarget struct{ group, client string }

func (t pauseTarget) body() map[string]string {
	body := map[string]string{}
	if t.group != "" {
		body["group"] = t.group
	}
	if t.client != "" {
		body["client"] = t.client
	}
	return body
}

func clientFlags(c *cobra.Command, t *pauseTarget, web *string) {
	c.Flags().StringVar(&t.group, "group", "", "only for the group of clients `NAME`")
	c.Flags().StringVar(&t.client, "client", "", "only for the client `NAME` of [[clients]]")
	c.Flags().StringVar(web, "web", "", "`ADDR` of the running server's page, instead of [web] listen")
	c.Long = c.Short + ".\n\nWhere the page has a password, it is read from $" + passwordVariable + ", or a token from $" + tokenVariable + "."
}

// change asks the running server for something and prints how it stands after.
func change(c *cobra.Command, f *flags, web, what string, t pauseTarget, body any) error {
	if t.group != "" && t.client != "" {
		return errUsage{errors.New("either --group or --client, not both")}
	}
	to, err := f.running(web)
	if err != nil {
		return err
	}
	status, err := to.change(c.Context(), what, body)
	if err != nil {
		return err
	}
	enabled, until, whose := status.of(t)
	switch {
	case enabled:
		fmt.Fprintf(c.OutOrStdout(), "blocking is on%s\n", whose)
	case until == nil:
		fmt.Fprintf(c.OutOrStdout(), "blocking is off%s until `deadpixel resume`\n", whose)
	default:
		format := "15:04:05"
		if time.Until(*until) > 12*time.Hour { // the time alone may be tomorrow's
			format = "Monday, 2 January, 15:04"
		}
		fmt.Fprintf(c.OutOrStdout(), "blocking is off%s until %s\n", whose, until.Local().Format(format))
	}
	return nil
}

// running is the page of the running server.
type running struct {
	url    string
	client *http.Client
}

// errNoPage says that the running server cannot be spoken to.
var errNoPage = errors.New("[web] listen is \"\": without the page's API the running server cannot be told; turn it on, at least on \"127.0.0.1:8080\"")

// running finds it, by the configuration, or at the address web where that is not "".
func (f *flags) running(web string) (*running, error) {
	if web != "" {
		if err := listenAddress(web); err != nil {
			return nil, errUsage{err}
		}
	}
	c, err := f.loadConfig()
	switch {
	case err != nil && web == "":
		return nil, err
	case err != nil: // who writes the address can pause also while the configuration is broken
		c = defaults()
	}
	if web = cmp.Or(web, c.Web.Listen); web == "" {
		return nil, errNoPage
	}
	if !c.Web.TLS {
		return &running{"http://" + reachable(web), http.DefaultClient}, nil
	}
	pinned, err := c.pinned()
	if err != nil {
		return nil, err
	}
	return &running{"https://" + reachable(web), &http.Client{Transport: &http.Transport{TLSClientConfig: pinned}}}, nil
}

// blockingState is the part of the API's answer that a pause is about.
type blockingState struct {
	Blocking ui.Blocking `json:"blocking"`
}

// of is how blocking stands for somebody, with the words for whom.
func (b *blockingState) of(t pauseTarget) (enabled bool, until *time.Time, whose string) {
	find := func(all []ui.Switch, name, kind string) (bool, *time.Time, string) {
		for _, one := range all {
			if one.Name == name {
				return one.Enabled, one.Until, fmt.Sprintf(" for the %s %s", kind, name)
			}
		}
		return b.Blocking.Enabled, b.Blocking.Until, ""
	}
	switch {
	case t.group != "":
		return find(b.Blocking.Groups, t.group, "group")
	case t.client != "":
		return find(b.Blocking.Clients, t.client, "client")
	}
	return b.Blocking.Enabled, b.Blocking.Until, ""
}

// change posts body and decodes the answer. An error of the API is told in its words.
func (to *running) change(ctx context.Context, what string, body any) (blockingState, error) {
	var state blockingState
	b, err := json.Marshal(body)
	if err != nil {
		return state, err
	}
	answer, err := to.ask(ctx, http.MethodPost, "/api/v1/"+what, bytes.NewReader(b))
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(answer, &state); err != nil {
		return state, fmt.Errorf("what answers at %s is not deadpixel: %w", to.url, err)
	}
	return state, nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// errRefused is wrapped by errors that the API tells; others say that none answered.
var errRefused = errors.New("the server refused")

// ask asks the running server, and returns the body of its answer.
func (to *running) ask(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, to.url+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token := os.Getenv(tokenVariable); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	} else if secret := os.Getenv(passwordVariable); secret != "" {
		request.SetBasicAuth("deadpixel", secret)
	}
	response, err := to.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no running server answers at %s: %w", to.url, errors.Unwrap(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusUnauthorized && request.Header.Get("Authorization") == "" {
		return nil, fmt.Errorf("%w: it wants the password of the page: put it into $%s, or a token into $%s", errRefused, passwordVariable, tokenVariable)
	}
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(answer, &refusal) != nil || refusal.Error == "" {
			return nil, fmt.Errorf("what answers at %s is not deadpixel, or another version of it: %s", to.url, response.Status)
		}
		return nil, fmt.Errorf("%w (%s): %s", errRefused, response.Status, refusal.Error)
	}
	return answer, nil
}

// reachable makes an address to connect to of one to listen on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
