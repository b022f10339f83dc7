package ui

import (
	"encoding/json"
	"reflect"
)

// whole is a value whose JSON has [] and {} where a slice or a map is missing, so that
// whoever reads an answer finds a list where the description says so. What it is made of
// is left as it is: others may be reading it.
func whole(v any) any {
	if v == nil {
		return nil
	}
	return filled(reflect.ValueOf(v)).Interface()
}

func filled(v reflect.Value) reflect.Value {
	if v.Type().Implements(reflect.TypeFor[json.Marshaler]()) {
		return v
	}
	switch v.Kind() {
	case reflect.Struct:
		next := reflect.New(v.Type()).Elem()
		next.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				next.Field(i).Set(filled(v.Field(i)))
			}
		}
		return next
	case reflect.Slice:
		next := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			next.Index(i).Set(filled(v.Index(i)))
		}
		return next
	case reflect.Map:
		next := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, key := range v.MapKeys() {
			next.SetMapIndex(key, filled(v.MapIndex(key)))
		}
		return next
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		next := reflect.New(v.Type().Elem())
		next.Elem().Set(filled(v.Elem()))
		return next
	}
	return v
}
