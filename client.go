package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// passwordVariable is where `pause` and `resume` find the page's password, since
// a command line is seen by everyone on the machine.
const passwordVariable = "DEADPIXEL_PASSWORD"

// clientTimeout bounds one call to the running server.
const clientTimeout = 10 * time.Second

func pauseCommand(f *flags) *cobra.Command {
	group, web := "default", ""
	c := &cobra.Command{
		Use:   "pause [DURATION]",
		Short: "Let everything through for DURATION (like 5m), or until `deadpixel resume`",
		Args:  usage(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]string{"group": group}
			if len(args) == 1 {
				if d, err := time.ParseDuration(args[0]); err != nil || d <= 0 {
					return errUsage{fmt.Errorf("%q is no duration: write it like 5m or 1h30m", args[0])}
				}
				body["duration"] = args[0]
			}
			return change(c, f, web, "pause", body)
		},
	}
	clientFlags(c, &group, &web)
	return c
}

func resumeCommand(f *flags) *cobra.Command {
	group, web := "default", ""
	c := &cobra.Command{
		Use:   "resume",
		Short: "Block again after a pause",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return change(c, f, web, "resume", map[string]string{"group": group})
		},
	}
	clientFlags(c, &group, &web)
	return c
}

func clientFlags(c *cobra.Command, group, web *string) {
	c.Flags().StringVar(group, "group", *group, "`NAME` of the group of clients")
	c.Flags().StringVar(web, "web", "", "`ADDR` of the running server's page, instead of [web] listen")
	c.Long = c.Short + ".\n\nWhere the page has a password, it is read from $" + passwordVariable + "."
}

// change asks the running server for something and prints how it stands after.
func change(c *cobra.Command, f *flags, web, what string, body any) error {
	if web == "" {
		config, err := f.loadConfig()
		if err != nil {
			return err
		}
		if web = config.Web.Listen; web == "" {
			return fmt.Errorf("[web] listen is \"\": without the page's API the running server cannot be told; turn it on, at least on \"127.0.0.1:8080\"")
		}
	} else if err := listenAddress(web); err != nil {
		return errUsage{err}
	}
	status, err := call(c.Context(), "http://"+reachable(web)+"/api/v1/"+what, body)
	if err != nil {
		return err
	}
	switch {
	case status.Blocking.Enabled:
		fmt.Fprintln(c.OutOrStdout(), "blocking is on")
	case status.Blocking.Until == nil:
		fmt.Fprintln(c.OutOrStdout(), "blocking is off until `deadpixel resume`")
	default:
		fmt.Fprintf(c.OutOrStdout(), "blocking is off until %s\n", status.Blocking.Until.Local().Format("15:04:05"))
	}
	return nil
}

// blockingState is the part of the API's answer that a pause is about.
type blockingState struct {
	Blocking struct {
		Enabled bool       `json:"enabled"`
		Until   *time.Time `json:"until"`
	} `json:"blocking"`
}

// call posts body and decodes the answer. An error of the API is told in its words.
func call(ctx context.Context, url string, body any) (blockingState, error) {
	var state blockingState
	b, err := json.Marshal(body)
	if err != nil {
		return state, err
	}
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return state, err
	}
	request.Header.Set("Content-Type", "application/json")
	if secret := os.Getenv(passwordVariable); secret != "" {
		request.SetBasicAuth("deadpixel", secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return state, fmt.Errorf("no running server answers at %s: %w", url, errors.Unwrap(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return state, err
	}
	if response.StatusCode == http.StatusUnauthorized {
		return state, fmt.Errorf("the server wants the password of the page: put it into $%s", passwordVariable)
	}
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(answer, &refusal) != nil || refusal.Error == "" {
			refusal.Error = strings.TrimSpace(string(answer))
		}
		return state, fmt.Errorf("the server refused (%s): %s", response.Status, refusal.Error)
	}
	if err := json.Unmarshal(answer, &state); err != nil {
		return state, fmt.Errorf("what answers at %s is not deadpixel: %w", url, err)
	}
	return state, nil
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
