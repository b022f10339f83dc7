package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"deadpixel/ui"
)

func tokenCommand() *cobra.Command {
	var scopes []string
	expires := ""
	c := &cobra.Command{
		Use:   "token NAME --scope SCOPE",
		Short: "Make a key for scripts, and print the lines for config.toml",
		Long: "Make a key for scripts, and print it with the lines for config.toml, which hold its sum only.\n\n" +
			"It is sent as \"Authorization: Bearer TOKEN\", and may do what its scopes name: read (what only\n" +
			"who runs this may see), pause, lists, rules, privacy (erase what is kept).",
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			t := TokenConfig{Name: args[0], Scopes: scopes, Expires: expires}
			if t.Name == "" || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
				return errUsage{fmt.Errorf("%q is no name of a token", t.Name)}
			}
			if len(scopes) == 0 {
				return errUsage{errors.New("say what it may do: --scope pause")}
			}
			for _, s := range scopes {
				if _, err := ui.ParseScope(s); err != nil {
					return errUsage{fmt.Errorf("--scope: %w", err)}
				}
			}
			if _, err := t.expires(time.Local); err != nil {
				return errUsage{fmt.Errorf("--expires: %w", err)}
			}
			secret, hash := ui.NewToken()
			out := c.OutOrStdout()
			fmt.Fprintf(out, "# The token, which is shown only now: %s\n[[web.tokens]]\nname   = %q\nhash   = %q\nscopes = [\"%s\"]\n", secret, t.Name, hash, strings.Join(scopes, `", "`))
			if expires != "" {
				fmt.Fprintf(out, "expires = %q\n", expires)
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&scopes, "scope", nil, "what it may do: `SCOPE`, several with commas")
	c.Flags().StringVar(&expires, "expires", "", "the last `DAY` on which it may be used, like 2027-12-31")
	return c
}

// tokens are those of the configuration, which has been checked.
func (c *Config) tokens(zone *time.Location) ([]ui.Token, error) {
	var all []ui.Token
	for _, t := range c.Web.Tokens {
		one := ui.Token{Name: t.Name, Hash: t.Hash}
		for _, s := range t.Scopes {
			one.Scopes = append(one.Scopes, ui.Scope(s))
		}
		var err error
		if one.Expires, err = t.expires(zone); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
