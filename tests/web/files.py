"""Files as people upload them."""

import json

from tests.factories import feature, square

SURVEY_TXT = """[属性描述]
格式版本号=1.01
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
计量单位=米
带号=37
精度=0.001
转换参数=,,,,,,
[地块坐标]
5,0.5000,HK-T01,测试地块一,面,,二类工业用地,100102,@
J1,1,2215000.000,37432000.000
J2,1,2215000.000,37432100.000
J3,1,2215050.000,37432100.000
J4,1,2215050.000,37432000.000
J1,1,2215000.000,37432000.000
""".encode()


def collection(*features):
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


def plots_geojson(*codes, **more):
    """Squares of 100 m in a row, 200 m apart, with these codes; `more` are columns of every plot."""
    return collection(
        *(
            feature(square(200 * i), 地块编号=code, 用途="二类工业用地", **more)
            for i, code in enumerate(codes)
        )
    )


def columns_of_no_name():
    """Two plots whose columns say nothing."""
    return collection(
        *(feature(square(200 * i), f1=f"HK-{9 + i}", f2="二类工业用地") for i in range(2))
    )
