package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// operation is how a route of the API is described: what it does, what can be asked for, and
// the Go values whose JSON goes in and comes out. The description is made of these very
// types, so that it cannot say anything else than they do.
type operation struct {
	does   string
	asks   []parameter
	body   any    // nil: none
	answer []any  // of status 200: one of these
	later  bool   // or of 202: it is not done yet
	media  string // of an answer that is no JSON
	fails  []int  // beside those that every route can fail with
}

// parameter is one of the query.
type parameter struct {
	name, does string
	of         []string // the values that there are; nil: any text
	needed     bool
}

// schema is a JSON Schema as OpenAPI 3.1 has it (section 4.8.24).
type schema map[string]any

// object is any JSON object of the description.
type object = map[string]any

// schemas collects the types that have a name.
type schemas map[string]any

// of is the schema of the JSON of a type.
func (s schemas) of(t reflect.Type) any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[netip.Addr]():
		return schema{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schema{"anyOf": []any{s.of(t.Elem()), schema{"type": "null"}}}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Slice, reflect.Array:
		return schema{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t.Name() == "" {
			return s.fields(t)
		}
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if s[name] == nil {
			s[name] = schema{} // it may have itself in it
			s[name] = s.fields(t)
		}
		return schema{"$ref": "#/components/schemas/" + name}
	}
	panic(fmt.Sprintf("no schema for %s", t)) // of a type that this package has written
}

// fields is the schema of a struct. What is left out when empty is not required.
func (s schemas) fields(t reflect.Type) schema {
	properties, required := object{}, []string{}
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			inner := s.fields(f.Type)
			for name, p := range inner["properties"].(object) {
				properties[name] = p
			}
			required = append(required, inner["required"].([]string)...)
			continue
		case tag == "-" || !f.IsExported():
			continue
		}
		properties[tag] = s.of(f.Type)
		if !strings.Contains(options, "omitempty") {
			required = append(required, tag)
		}
	}
	return schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// failure is the answer of whatever fails.
type failure struct {
	Error string `json:"error"`
}

// commonFailures are what every route can answer.
var commonFailures = map[int]string{
	http.StatusBadRequest:         "something is written wrong; error says what",
	http.StatusForbidden:          "this network, another site, or a token without the scope",
	http.StatusMisdirectedRequest: "the server is asked for under a name that is not known to be its own",
}

// otherFailures are what some can.
var otherFailures = map[int]string{
	http.StatusUnauthorized:        "the password, or a token with the scope, is needed",
	http.StatusNotFound:            "there is no such group, client, list, company or rule",
	http.StatusTooManyRequests:     "too often; wait a minute",
	http.StatusInternalServerError: "the data directory makes trouble",
	http.StatusBadGateway:          "the server of a list makes trouble",
	http.StatusServiceUnavailable:  "too many pages are open",
}

// describe makes the description of the API (OpenAPI 3.1).
func (p *Page) describe() object {
	named, paths := schemas{}, object{}
	for _, one := range p.table() {
		if one.does == nil {
			continue
		}
		method, path, _ := strings.Cut(one.pattern, " ")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(method)] = one.describe(named)
	}
	named["Failure"] = named.fields(reflect.TypeFor[failure]())
	scopes := make([]string, len(Scopes))
	for i, s := range Scopes {
		scopes[i] = string(s)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "deadpixel", "version": p.Version, "license": object{"name": "MIT", "identifier": "MIT"},
			"description": "What the page shows and does. A change needs the password, by Basic with any user name, or a token with the scope that x-scope names (" + strings.Join(scopes, ", ") +
				"); without a password it is accepted from the machine itself only."},
		"servers": []any{object{"url": p.to("/")}},
		"paths":   paths,
		"components": object{
			"schemas": named,
			"securitySchemes": object{
				"password": object{"type": "http", "scheme": "basic"},
				"token":    object{"type": "http", "scheme": "bearer"},
				"session":  object{"type": "apiKey", "in": "cookie", "name": plainCookie},
			},
		},
	}
}

// describe is the description of one route.
func (r route) describe(named schemas) object {
	responses := object{}
	failed := func(status int, why string) {
		content := object{"application/json": object{"schema": schema{"$ref": "#/components/schemas/Failure"}}}
		if r.does.media == "text/html" { // whoever asks for a page is told on one
			content[r.does.media] = object{"schema": schema{"type": "string"}}
		}
		responses[fmt.Sprint(status)] = object{"description": why, "content": content}
	}
	for status, why := range commonFailures {
		failed(status, why)
	}
	for _, status := range r.does.fails {
		failed(status, otherFailures[status])
	}
	content := object{}
	switch all := r.does.answer; len(all) {
	case 0:
	case 1:
		content["application/json"] = object{"schema": named.of(reflect.TypeOf(all[0]))}
	default:
		var one []any
		for _, answer := range all {
			one = append(one, named.of(reflect.TypeOf(answer)))
		}
		content["application/json"] = object{"schema": schema{"oneOf": one}}
	}
	if r.does.media != "" {
		content[r.does.media] = object{"schema": schema{"type": "string"}}
	}
	responses["200"] = object{"description": "done", "content": content}
	if r.does.later {
		responses["202"] = object{"description": "begun; ask again", "content": content}
	}
	d := object{"summary": r.does.does, "operationId": r.id(), "responses": responses}
	if r.scope != open {
		failed(http.StatusUnauthorized, otherFailures[http.StatusUnauthorized])
		failed(http.StatusTooManyRequests, otherFailures[http.StatusTooManyRequests])
		d["x-scope"] = string(r.scope)
		d["security"] = []any{object{"password": []any{}}, object{"token": []any{}}, object{"session": []any{}}}
	}
	var parameters []any
	for _, q := range r.does.asks {
		s := schema{"type": "string"}
		if q.of != nil {
			s["enum"] = q.of
		}
		parameters = append(parameters, object{"name": q.name, "in": "query", "description": q.does, "required": q.needed, "schema": s})
	}
	if parameters != nil {
		d["parameters"] = parameters
	}
	if r.does.body != nil {
		d["requestBody"] = object{"content": object{"application/json": object{"schema": optional(named, r.does.body)}}}
	}
	return d
}

// optional is the schema of a body, of which every field may be left out.
func optional(named schemas, body any) schema {
	s := named.fields(reflect.TypeOf(body))
	delete(s, "required")
	return s
}

// id names the operation: the method and the path as one word.
func (r route) id() string {
	method, path, _ := strings.Cut(r.pattern, " /api/v1/")
	return strings.ToLower(method) + "_" + strings.ReplaceAll(path, "/", "_")
}

// openAPI answers with the description.
func (p *Page) openAPI(w http.ResponseWriter, r *http.Request) {
	text, err := json.MarshalIndent(p.describe(), "", "  ")
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, r, http.StatusOK, text)
}
